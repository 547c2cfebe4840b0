package quota_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

func TestLock(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(9, 0), limits(0, 0)), nil)
	var wg sync.WaitGroup
	inside := 0
	for range 100 {
		wg.Go(func() {
			unlock, err := q.Lock(t.Context(), guest("who"))
			if err != nil {
				t.Error(err)
				return
			}
			defer unlock()
			inside++ // The race detector reports concurrent holders.
		})
	}
	wg.Wait()
	if inside != 100 || quota.Locks(q) != 0 {
		t.Errorf("locked %d times, %d locks are left", inside, quota.Locks(q))
	}
}

// TestLocksAreIndependent acquires locks of other owners and of one without limits while a lock is held.
func TestLocksAreIndependent(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(9, 0), limits(0, 0)), nil)
	unlock, err := q.Lock(t.Context(), guest("who"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	for name, key := range map[string]quota.Key{
		"another guest at the address": guest("other"), "a member without limits": member("who"),
	} {
		other, err := q.Lock(t.Context(), key)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		other()
	}
}

func TestLockTimeout(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(9, 0), limits(0, 0)), nil)
	unlock, err := q.Lock(t.Context(), guest("who"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := q.Lock(ctx, guest("who")); !errors.Is(err, quota.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	unlock()
	if unlock, err = q.Lock(t.Context(), guest("who")); err != nil {
		t.Fatal(err)
	}
	unlock()
	if quota.Locks(q) != 0 {
		t.Errorf("%d locks are left", quota.Locks(q))
	}
}
