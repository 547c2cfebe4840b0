package account

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
)

// ErrBusy is returned when as many passwords wait to be hashed as may.
var ErrBusy = errors.New("too many passwords wait to be hashed")

// waitingPerSlot bounds how many callers wait; the last of them waits a few seconds.
const waitingPerSlot = 32

// hasher hashes passwords a few at a time, so that a flood of logins leaves the machine able to do everything else.
type hasher struct {
	with    Password
	slots   chan struct{}
	waiting atomic.Int64
}

func newHasher(with Password) *hasher {
	return &hasher{with: with, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))}
}

// enter waits for a slot. It fails with ErrBusy at once when too many wait, and with ctx.
func (h *hasher) enter(ctx context.Context) (leave func(), err error) {
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
	leave, err := h.enter(ctx)
	if err != nil {
		return Password{}, err
	}
	defer leave()
	return hashPassword(password, h.with)
}

// check reports whether a password is the stored one, which is empty for somebody without one, or whom nobody knows. A
// wrong password costs the same whatever is stored: neither the absence of a record nor its age shows.
func (h *hasher) check(ctx context.Context, stored Password, password string) (bool, error) {
	leave, err := h.enter(ctx)
	if err != nil {
		return false, err
	}
	defer leave()
	spent := 0
	if stored.set() {
		spent = stored.rounds()
		matches, err := stored.matches(password)
		if matches || (err != nil && !errors.Is(err, errStoredPassword)) {
			return matches, err
		}
		if err != nil {
			// Nobody can sign in with such a record; it is treated as one without a password.
			spent = 0
		}
	}
	return false, burn(password, h.with, spent)
}
