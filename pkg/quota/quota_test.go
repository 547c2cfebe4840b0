package quota_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is a time that tests set.
type clock struct{ at atomic.Pointer[time.Time] }

func newClock(at time.Time) *clock {
	c := &clock{}
	c.set(at)
	return c
}

func (c *clock) set(at time.Time) { c.at.Store(&at) }

func (c *clock) now() time.Time { return *c.at.Load() }

// noon is in the middle of a day and ten seconds into a minute.
func noon() time.Time { return time.Date(2026, time.March, 4, 12, 0, 10, 0, time.UTC) }

func limits(perMinute, perDay int) quota.Limits {
	return quota.Limits{PerMinute: perMinute, PerDay: perDay}
}

// plans limits images and audio only.
func plans(guest, member quota.Limits) quota.Plans {
	return quota.Plans{Media: quota.Plan{Guest: guest, Member: member}}
}

// guest and member are asking for images.
func guest(name string) quota.Key {
	return quota.Key{Group: quota.GroupMedia, Lane: job.LaneGuest, Owner: name, Address: "at-home"}
}

func member(name string) quota.Key {
	return quota.Key{Group: quota.GroupMedia, Lane: job.LaneMember, Owner: name, Address: "at-home"}
}

// charge takes units of a guest's quota and reports what is left of the last window, or -1 and the window that refuses.
func charge(t testing.TB, q *quota.Quota, who string, units int) (left int, refuses string) {
	t.Helper()
	bill, err := q.Charge(t.Context(), guest(who), "j", units)
	if refusal, ok := errors.AsType[*quota.Refusal](err); ok {
		return -1, refusal.Window
	}
	if err != nil {
		t.Error(err)
		return -1, "error"
	}
	if len(bill.Usage) == 0 {
		return 0, ""
	}
	return bill.Usage[len(bill.Usage)-1].Remaining(), ""
}

// used returns what is taken, the minute first.
func used(t testing.TB, q *quota.Quota, key quota.Key) []int {
	t.Helper()
	list, err := q.Usage(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	var values []int
	for _, u := range list {
		values = append(values, u.Used)
	}
	return values
}

func expectUsed(t testing.TB, q *quota.Quota, who string, want ...int) {
	t.Helper()
	if got := used(t, q, guest(who)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s has taken %v, want %v", who, got, want)
	}
}

// TestAThousandAtOnce has two processes charge in parallel. Not one more gets through than may, nor one less, and what was
// refused leaves no trace.
func TestAThousandAtOnce(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]quota.Limits{"day": limits(0, 100), "minute": limits(100, 0), "both": limits(2000, 100)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, at := brokertest.Start(t), newClock(noon())
			processes := []*quota.Quota{quota.New(b, plans(l, limits(1, 1)), at.now), quota.New(b, plans(l, limits(1, 1)), at.now)}
			var passed atomic.Int32
			var wg sync.WaitGroup
			for n := range 1000 {
				wg.Go(func() {
					if _, refused := charge(t, processes[n%2], "who", 1); refused == "" {
						passed.Add(1)
					}
				})
			}
			wg.Wait()
			if passed.Load() != 100 {
				t.Errorf("%d passed, want 100", passed.Load())
			}
			for _, value := range used(t, processes[0], guest("who")) {
				if value != 100 {
					t.Errorf("%d are counted, want 100", value)
				}
			}
		})
	}
}

// TestWindows goes from one minute and one day to the next.
func TestWindows(t *testing.T) {
	t.Parallel()
	at := newClock(noon())
	q := quota.New(brokertest.Start(t), plans(limits(3, 5), limits(0, 0)), at.now)
	for _, step := range []struct {
		after   time.Duration
		units   int
		left    int
		refuses string
	}{
		{0, 2, 3, ""},
		{49 * time.Second, 2, -1, broker.UsageMinute},
		{49 * time.Second, 1, 2, ""},
		{49 * time.Second, 1, -1, broker.UsageMinute},
		{50 * time.Second, 3, -1, broker.UsageDay},
		{50 * time.Second, 2, 0, ""},
		{51 * time.Second, 1, -1, broker.UsageDay},
		{12*time.Hour - 11*time.Second, 1, -1, broker.UsageDay},
		{12*time.Hour - 10*time.Second, 3, 2, ""},
		{12*time.Hour - 10*time.Second, 1, -1, broker.UsageMinute},
		{13 * time.Hour, 2, 0, ""},
	} {
		at.set(noon().Add(step.after))
		if left, refuses := charge(t, q, "who", step.units); left != step.left || refuses != step.refuses {
			t.Errorf("%d after %s: %d left, refused by %q; want %d, %q", step.units, step.after, left, refuses, step.left, step.refuses)
		}
	}
	// Somebody else has a quota of their own.
	if left, _ := charge(t, q, "other", 1); left != 4 {
		t.Errorf("another one has %d left", left)
	}
}

// TestRefusal says when to come again, and how much there still is.
func TestRefusal(t *testing.T) {
	t.Parallel()
	at := newClock(noon().Add(300 * time.Millisecond))
	q := quota.New(brokertest.Start(t), plans(limits(4, 6), limits(0, 0)), at.now)
	charge(t, q, "who", 3)
	_, err := q.Charge(t.Context(), guest("who"), "j", 2)
	minute, ok := errors.AsType[*quota.Refusal](err)
	if !ok || minute.Window != broker.UsageMinute || minute.Remaining() != 1 || minute.Asked != 2 || minute.Wait(at.now()) != 50 {
		t.Errorf("%v: %+v", err, minute)
	}
	at.set(noon().Add(time.Hour))
	charge(t, q, "who", 2)
	_, err = q.Charge(t.Context(), guest("who"), "j", 2)
	day, ok := errors.AsType[*quota.Refusal](err)
	if !ok || day.Window != broker.UsageDay || day.Remaining() != 1 || day.Limit != 6 || day.Wait(at.now()) != 11*60*60-10 {
		t.Errorf("%v: %+v", err, day)
	}
	expectUsed(t, q, "who", 2, 5)
}

// TestSmallBesideLarge has somebody ask for more than there is while others ask for what fits. No request that fits is
// refused for long because of one that does not.
func TestSmallBesideLarge(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(0, 10), limits(0, 0)), newClock(noon()).now)
	charge(t, q, "who", 8)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, refused := charge(t, q, "who", 4); refused == "" {
				t.Error("four fit into two")
			}
		})
	}
	wg.Wait()
	for range 2 {
		if _, refused := charge(t, q, "who", 1); refused != "" {
			t.Error("one does not fit into two")
		}
	}
	expectUsed(t, q, "who", 10)
}

func TestLanesAndNoLimit(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(0, 0), limits(0, 1)), newClock(noon()).now)
	for range 30 {
		if _, refused := charge(t, q, "who", 4); refused != "" {
			t.Fatalf("refused by the %s", refused)
		}
	}
	bill, err := q.Charge(t.Context(), guest("who"), "j", 4)
	if err != nil || bill.Charge != nil || len(bill.Usage) != 0 {
		t.Errorf("%+v, %v", bill, err)
	}
	for n, fits := range []bool{true, false} {
		bill, err := q.Charge(t.Context(), member("who"), "j", 1)
		if (err == nil) != fits {
			t.Errorf("member's charge %d: %v", n, err)
		}
		if fits && *bill.Charge != (job.Charge{Who: "who", Day: "20260304", Units: 1}) {
			t.Errorf("%+v", bill.Charge)
		}
	}
}

// TestCancel takes a charge back, also twice and after its caller has gone.
func TestCancel(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(9, 9), limits(0, 0)), newClock(noon()).now)
	charge(t, q, "who", 1)
	bill, err := q.Charge(t.Context(), guest("who"), "j", 4)
	if err != nil {
		t.Fatal(err)
	}
	expectUsed(t, q, "who", 5, 5)
	ctx, gone := contextOf(t)
	gone()
	for range 2 {
		if err := bill.Release(ctx); err != nil {
			t.Error(err)
		}
	}
	expectUsed(t, q, "who", 1, 1)
	var none *quota.Reservation
	if err := none.Release(ctx); err != nil {
		t.Error(err)
	}
}

// TestWithdraw takes back what was charged for a job that may or may not have been made. When it was, and fails, nothing is
// given back a second time.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, plans(limits(9, 9), limits(0, 0)), newClock(noon()).now)
	charge(t, q, "who", 3)
	bill, err := q.Charge(t.Context(), guest("who"), "j", 4)
	if err != nil {
		t.Fatal(err)
	}
	record := failed("j", job.CodeInternal, bill.Charge)
	ctx, gone := contextOf(t)
	gone()
	for range 2 {
		if err := bill.ReleaseIfAbsent(ctx, record.Spec); err != nil {
			t.Error(err)
		}
		expectUsed(t, q, "who", 3, 3)
		refund(t, b, record)
		expectUsed(t, q, "who", 3, 3)
	}
}

// TestRefusalWritesNothing looks at what somebody leaves behind who asks again and again with nothing left.
func TestRefusalWritesNothing(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, plans(limits(0, 3), limits(0, 0)), newClock(noon()).now)
	charge(t, q, "who", 3)
	before := lastSequence(t, b)
	for range 20 {
		charge(t, q, "who", 1)
	}
	if after := lastSequence(t, b); after != before {
		t.Errorf("%d messages were written", after-before)
	}
}

// TestUnavailable takes the counters away: what cannot be counted is not let through.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, func(c *broker.Config) { c.ReconcileInterval = time.Hour })
	q := quota.New(b, plans(limits(9, 9), limits(0, 0)), newClock(noon()).now)
	charge(t, q, "who", 1)
	b.Conn().Close()
	if _, err := q.Charge(t.Context(), guest("who"), "j", 1); !errors.Is(err, quota.ErrUnavailable) {
		t.Errorf("charge: %v", err)
	}
	if _, err := q.Usage(t.Context(), guest("who")); !errors.Is(err, quota.ErrUnavailable) {
		t.Errorf("usage: %v", err)
	}
}
