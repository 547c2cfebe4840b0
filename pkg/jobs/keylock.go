package jobs

import (
	"context"
	"fmt"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// keyLocks lets the submissions under one idempotency key, which are those of one job, follow each other within this process.
type keyLocks struct {
	mu   sync.Mutex
	byID map[string]*keyLock
}

// keyLock is a lock whose acquisition can be canceled.
type keyLock struct {
	held chan struct{} // Contains a value while the lock is held.
	// users counts those who hold the lock or wait for it.
	users int
}

// lock acquires the lock of a job and returns the function that releases it. It fails with queue.ErrUnavailable when ctx ends
// first.
func (k *keyLocks) lock(ctx context.Context, id string) (unlock func(), err error) {
	l := k.acquire(id)
	select {
	case l.held <- struct{}{}:
		return func() {
			<-l.held
			k.release(id, l)
		}, nil
	case <-ctx.Done():
		k.release(id, l)
		return nil, fmt.Errorf("%w: wait for the first submission under the key: %w", queue.ErrUnavailable, context.Cause(ctx))
	}
}

// acquire returns the lock of a job, which all concurrent submissions share until the last one releases it.
func (k *keyLocks) acquire(id string) *keyLock {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byID == nil {
		k.byID = make(map[string]*keyLock)
	}
	l := k.byID[id]
	if l == nil {
		l = &keyLock{held: make(chan struct{}, 1)}
		k.byID[id] = l
	}
	l.users++
	return l
}

func (k *keyLocks) release(id string, l *keyLock) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(k.byID, id)
	}
}
