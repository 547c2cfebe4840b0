package account

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

// ErrBusy is returned when too many passwords are waiting to be hashed, or too many requests change the same record.
var ErrBusy = errors.New("too many concurrent requests")

// waitingPerSlot bounds the callers that wait for a slot; the last one waits a few seconds.
const waitingPerSlot = 32

// hasher bounds how many passwords are hashed at once, so that a flood of logins leaves CPU time for other requests.
type hasher struct {
	parameters Password // for new passwords
	slots      chan struct{}
	waiting    atomic.Int64
}

func newHasher(parameters Password) *hasher {
	return &hasher{parameters: parameters, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// acquire waits for a slot. It returns ErrBusy at once when too many callers wait, and an error when ctx ends.
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
// address. A wrong password takes the same time whatever is stored, so that the time reveals neither whether the account exists
// nor how old its hash is.
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
			spent = stored.rounds() // An unverifiable hash computes nothing.
		}
	}
	return false, equalizeTiming(password, h.parameters, spent)
}
