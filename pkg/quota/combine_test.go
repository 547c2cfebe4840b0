package quota_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// TestChargesShareAPublish charges several times in one publish: each gets its own value, and one that does not fit leaves its room to
// those that follow.
func TestChargesShareAPublish(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, plans(limits(0, 10), limits(0, 0)), clocktest.New(noon()).Now)
	charge(t, q, "who", 4)
	before := lastSequence(t, b)
	got := quota.ChargeTogether(t.Context(), q, "who", job.DayOf(noon()), 10, 2, 5, 3, 2, 1)
	if want := []int{6, 0, 9, 0, 10}; !slices.Equal(got, want) {
		t.Errorf("values %v, want %v", got, want)
	}
	if n := lastSequence(t, b) - before; n != 1 {
		t.Errorf("%d publishes", n)
	}
	// Who does not fit reverses its charge.
	expectUsed(t, q, "who", 4+2+5+3+2+1)
	if n := quota.Combining(q); n != 0 {
		t.Errorf("%d counters are still being changed", n)
	}
}

// TestBurstSharesAPublish charges one owner for a hundred submissions at once: all that arrive during a publish share the next one.
func TestBurstSharesAPublish(t *testing.T) {
	t.Parallel()
	const submissions = 100
	b := brokertest.Start(t)
	q := quota.New(b, plans(limits(0, submissions), limits(0, 0)), clocktest.New(noon()).Now)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	waiting, publish := quota.Hold(ctx, q, "who", job.DayOf(noon()))
	before := lastSequence(t, b)
	var wg sync.WaitGroup
	for n := range submissions {
		wg.Go(func() {
			if _, err := q.Charge(ctx, guest("who"), fmt.Sprint("j", n), 1); err != nil {
				t.Error(err)
			}
		})
	}
	for waiting() < submissions {
		if ctx.Err() != nil {
			t.Fatalf("%d charges share a publish", waiting())
		}
		runtime.Gosched()
	}
	publish()
	wg.Wait()
	if n := lastSequence(t, b) - before; n != 1 {
		t.Errorf("%d publishes", n)
	}
	expectUsed(t, q, "who", submissions)
}
