package account

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

// ErrBusy is returned when too many passwords wait to be hashed, or too many requests change the same record.
var ErrBusy = errors.New("too many passwords wait to be hashed")

// waitingPerSlot bounds how many callers wait; the last of them waits a few seconds.
const waitingPerSlot = 32

// hasher hashes a few passwords at a time, so that a flood of logins leaves the machine able to do everything else.
type hasher struct {
	// parameters are those of new passwords.
	parameters Password
	slots      chan struct{}
	waiting    atomic.Int64
}

func newHasher(parameters Password) *hasher {
	return &hasher{parameters: parameters, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// acquire waits for a slot. It fails with ErrBusy at once when too many wait, and when ctx ends.
func (h *hasher) acquire(ctx context.Context) (release func(), err error) {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > int64(waitingPerSlot*cap(h.slots)) {
		return nil, ErrBusy
	}
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait to hash a password: %w", context.Cause(ctx))
	}
}

// hash hashes a new password.
func (h *hasher) hash(ctx context.Context, password string) (Password, error) {
	release, err := h.acquire(ctx)
	if err != nil {
		return Password{}, err
	}
	defer release()
	return hashPassword(password, h.parameters)
}

// check reports whether a password matches the stored one, which is empty for an account without a password or an unknown
// address. A wrong password takes the same time whatever is stored, so that neither a missing record nor its age shows.
func (h *hasher) check(ctx context.Context, stored Password, password string) (bool, error) {
	release, err := h.acquire(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	spent := 0
	if stored.set() {
		matches, err := stored.matches(password)
		if matches || (err != nil && !errors.Is(err, errUnverifiable)) {
			return matches, err
		}
		if err == nil {
			// Otherwise nothing was computed: nobody can sign in with such a record.
			spent = stored.rounds()
		}
	}
	return false, equalizeTiming(password, h.parameters, spent)
}
