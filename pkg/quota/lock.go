package quota

import (
	"context"
	"fmt"
	"sync"
)

// ownerLocks holds one lock per owner.
type ownerLocks struct {
	mu      sync.Mutex
	byOwner map[string]*ownerLock
}

// ownerLock is a lock whose acquisition can be canceled.
type ownerLock struct {
	held chan struct{} // Contains a value while the lock is held.
	// users counts those who hold the lock or wait for it.
	users int
}

// Lock acquires the lock of an owner and group within this process, which callers hold from a charge until its outcome, and
// returns the function that releases it. Without it, two concurrent charges would each count the other, even one that is
// released later, and both could be refused where there is room for one. This can still happen between processes, and between
// owners at one address: these do not wait for each other, since all users of an office would be served one by one.
//
// It returns ErrUnavailable when ctx ends first. It costs no request, and does not wait if nothing is limited for key.
func (q *Quota) Lock(ctx context.Context, key Key) (unlock func(), err error) {
	if !q.Limited(key) {
		return func() {}, nil
	}
	l := q.locks.acquire(key.Owner)
	select {
	case l.held <- struct{}{}:
		return func() {
			<-l.held
			q.locks.release(key.Owner, l)
		}, nil
	case <-ctx.Done():
		q.locks.release(key.Owner, l)
		return nil, fmt.Errorf("%w: wait for the owner's lock: %w", ErrUnavailable, context.Cause(ctx))
	}
}

// acquire returns the lock of an owner, which all concurrent callers share until the last one releases it.
func (o *ownerLocks) acquire(owner string) *ownerLock {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.byOwner == nil {
		o.byOwner = make(map[string]*ownerLock)
	}
	l := o.byOwner[owner]
	if l == nil {
		l = &ownerLock{held: make(chan struct{}, 1)}
		o.byOwner[owner] = l
	}
	l.users++
	return l
}

func (o *ownerLocks) release(owner string, l *ownerLock) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(o.byOwner, owner)
	}
}
