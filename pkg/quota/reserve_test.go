package quota_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// reserve reserves one unit without waiting; end is nil if it would have to wait.
func reserve(t testing.TB, q *quota.Quota, key quota.Key, units int) (end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	end, err := q.Reserve(ctx, key, units)
	if err != nil && (!errors.Is(err, quota.ErrUnavailable) || !errors.Is(err, context.Canceled)) {
		t.Fatal(err)
	}
	return end
}

// TestReserve reserves concurrently what is charged and released: a charge for which there is room is never refused, and nobody
// waits while there is plenty.
func TestReserve(t *testing.T) {
	t.Parallel()
	const limit = 10
	q := quota.New(brokertest.Start(t), plans(limits(0, limit), limits(0, 0)), clocktest.New(noon()).Now)
	var wg sync.WaitGroup
	for n := range 100 {
		wg.Go(func() {
			end, err := q.Reserve(t.Context(), guest("who"), 1)
			if err != nil {
				t.Error(err)
				return
			}
			defer end()
			reservation, err := q.Charge(t.Context(), guest("who"), fmt.Sprint("j", n), 1)
			if err != nil {
				t.Error(err)
				return
			}
			if err := reservation.Release(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if counters, holders := quota.Tallies(q); counters != 1 || holders != 0 {
		t.Errorf("%d counters, %d reservations are left", counters, holders)
	}
	charge(t, q, "who", 1)
	var ends []func()
	for range limit - 1 {
		ends = append(ends, reserve(t, q, guest("who"), 1))
	}
	if ends[len(ends)-1] == nil {
		t.Error("waits although the units fit")
	}
	if reserve(t, q, guest("who"), 1) != nil {
		t.Error("reserves more than is left")
	}
	for _, end := range ends {
		end()
	}
}

// TestReservationsAreIndependent reserves for other owners, and for one without limits, while the quota of an owner is reserved.
func TestReservationsAreIndependent(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(9, 0), limits(0, 0)), clocktest.New(noon()).Now)
	// Until the first charge the process does not know how much is left.
	if reserve(t, q, guest("who"), 1) == nil || reserve(t, q, guest("who"), 1) != nil {
		t.Error("the second reservation does not wait for the first charge")
	}
	for name, key := range map[string]quota.Key{
		"another guest at the address": guest("other"), "a member without limits": member("who"),
	} {
		if reserve(t, q, key, 1) == nil {
			t.Errorf("%s has to wait", name)
		}
	}
	charge(t, q, "who", 1)
	if reserve(t, q, guest("who"), 1) == nil {
		t.Error("waits after the first charge")
	}
}

// TestReserveWithExhaustedQuota shows that requests beyond a limit do not wait for each other.
func TestReserveWithExhaustedQuota(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(0, 3), limits(0, 0)), clocktest.New(noon()).Now)
	charge(t, q, "who", 2)
	if reserve(t, q, guest("who"), 1) == nil {
		t.Error("waits although one unit is left")
	}
	for range 3 {
		if reserve(t, q, guest("who"), 3) == nil {
			t.Error("waits although three units can never fit")
		}
	}
	if _, holders := quota.Tallies(q); holders != 1 {
		t.Errorf("%d reservations", holders)
	}
}

func TestReserveTimeout(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(9, 0), limits(0, 0)), clocktest.New(noon()).Now)
	end, err := q.Reserve(t.Context(), guest("who"), 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := q.Reserve(ctx, guest("who"), 1); !errors.Is(err, quota.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	next := make(chan error, 1)
	go func() {
		end, err := q.Reserve(t.Context(), guest("who"), 1)
		if err == nil {
			end()
		}
		next <- err
	}()
	end()
	if err := <-next; err != nil {
		t.Errorf("after the end of the first reservation: %v", err)
	}
	if _, holders := quota.Tallies(q); holders != 0 {
		t.Errorf("%d reservations are left", holders)
	}
}

// TestFewCountersAreRemembered charges more owners than a process remembers.
func TestFewCountersAreRemembered(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(0, 3), limits(0, 0)), clocktest.New(noon()).Now)
	held := reserve(t, q, guest("held"), 1)
	defer held()
	for n := range quota.MaxTallies + 10 {
		reserve(t, q, guest(fmt.Sprint("guest-", n)), 1)()
	}
	if counters, holders := quota.Tallies(q); counters > quota.MaxTallies || holders != 1 {
		t.Errorf("%d counters are remembered, %d reservations held", counters, holders)
	}
}
