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

// TestTurn lets in one at a time, of those who are counted together.
func TestTurn(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(9, 0), limits(0, 0)), nil)
	var wg sync.WaitGroup
	inside := 0
	for range 100 {
		wg.Go(func() {
			end, err := q.Lock(t.Context(), guest("who"))
			if err != nil {
				t.Error(err)
				return
			}
			defer end()
			// The race detector sees who is inside beside somebody else.
			inside++
		})
	}
	wg.Wait()
	if inside != 100 || quota.Turns(q) != 0 {
		t.Errorf("%d were inside, %d are remembered", inside, quota.Turns(q))
	}
}

// TestTurnOfOthers waits for nobody else, and for nobody where nothing is limited.
func TestTurnOfOthers(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(9, 0), limits(0, 0)), nil)
	end, err := q.Lock(t.Context(), guest("who"))
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	for name, key := range map[string]quota.Key{
		"another guest at the address": guest("other"), "a member who is not limited": member("who"),
	} {
		other, err := q.Lock(t.Context(), key)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		other()
	}
}

// TestTurnThatNeverComes tells who waits for too long that it cannot be counted.
func TestTurnThatNeverComes(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(9, 0), limits(0, 0)), nil)
	end, err := q.Lock(t.Context(), guest("who"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := q.Lock(ctx, guest("who")); !errors.Is(err, quota.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	end()
	if end, err = q.Lock(t.Context(), guest("who")); err != nil {
		t.Fatal(err)
	}
	end()
	if quota.Turns(q) != 0 {
		t.Errorf("%d are remembered", quota.Turns(q))
	}
}
