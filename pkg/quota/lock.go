package quota

import (
	"context"
	"fmt"
	"sync"
)

// ownerLocks is a lock for each owner.
type ownerLocks struct {
	mu      sync.Mutex
	byOwner map[string]*ownerLock
}

// ownerLock is held by whoever has put a value into held.
type ownerLock struct {
	held chan struct{}
	// users hold it or wait for it.
	users int
}

// Lock waits until nobody else in this process is between a charge of the same owner and group and its outcome, and returns
// what unlocks. Two at once would each see what the other has charged, though one of them releases it: both would be refused
// where there is room for one. Several processes may still do that to each other for a moment, and so may several owners at
// one address: they do not wait for each other, since all of an office would be served one by one.
//
// It fails with ErrUnavailable when ctx ends before, and costs no request. Where nothing is limited it does not wait.
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

// acquire returns the lock of an owner, which stays the same until all who have acquired it have released it.
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
