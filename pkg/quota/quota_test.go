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
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is in the middle of a day and ten seconds into a minute.
func noon() time.Time { return time.Date(2026, time.March, 4, 12, 0, 10, 0, time.UTC) }

func limits(perMinute, perDay int) quota.Limits {
	return quota.Limits{PerMinute: perMinute, PerDay: perDay}
}

// plans returns plans with limits of images and audio only.
func plans(guest, member quota.Limits) quota.Plans {
	return quota.Plans{Media: quota.Plan{Guest: guest, Member: member}}
}

// guest and member return the key of a caller who requests images.
func guest(name string) quota.Key {
	return quota.Key{Group: quota.GroupMedia, Lane: job.LaneGuest, Owner: name, Address: "at-home"}
}

func member(name string) quota.Key {
	return quota.Key{Group: quota.GroupMedia, Lane: job.LaneMember, Owner: name, Address: "at-home"}
}

// charge charges units to a guest and returns what remains of the last window, or -1 and the exceeded window.
func charge(t testing.TB, q *quota.Quota, who string, units int) (left int, refuses string) {
	t.Helper()
	reservation, err := q.Charge(t.Context(), guest(who), "j", units)
	if refusal, ok := errors.AsType[*quota.Refusal](err); ok {
		return -1, refusal.Window
	}
	if err != nil {
		t.Error(err)
		return -1, "error"
	}
	if len(reservation.Usage) == 0 {
		return 0, ""
	}
	return reservation.Usage[len(reservation.Usage)-1].Remaining(), ""
}

// used returns the usage of each window, the minute first.
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
		t.Errorf("%s has used %v, want %v", who, got, want)
	}
}

// TestConcurrentCharges charges concurrently in two processes. Exactly as many charges succeed as the limit allows, and refused
// ones leave no trace.
func TestConcurrentCharges(t *testing.T) {
	t.Parallel()
	for name, l := range map[string]quota.Limits{"day": limits(0, 100), "minute": limits(100, 0), "both": limits(2000, 100)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, at := brokertest.Start(t), clocktest.New(noon())
			processes := []*quota.Quota{quota.New(b, plans(l, limits(1, 1)), at.Now), quota.New(b, plans(l, limits(1, 1)), at.Now)}
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

// TestWindows moves from one minute and one day to the next.
func TestWindows(t *testing.T) {
	t.Parallel()
	at := clocktest.New(noon())
	q := quota.New(brokertest.Start(t), plans(limits(3, 5), limits(0, 0)), at.Now)
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
		at.Set(noon().Add(step.after))
		if left, refuses := charge(t, q, "who", step.units); left != step.left || refuses != step.refuses {
			t.Errorf("%d after %s: %d left, refused by %q; want %d, %q", step.units, step.after, left, refuses, step.left, step.refuses)
		}
	}
	// Another caller has a separate quota.
	if left, _ := charge(t, q, "other", 1); left != 4 {
		t.Errorf("another caller has %d left", left)
	}
}

// TestRefusal checks the remaining units and the time to wait.
func TestRefusal(t *testing.T) {
	t.Parallel()
	at := clocktest.New(noon().Add(300 * time.Millisecond))
	q := quota.New(brokertest.Start(t), plans(limits(4, 6), limits(0, 0)), at.Now)
	charge(t, q, "who", 3)
	_, err := q.Charge(t.Context(), guest("who"), "j", 2)
	minute, ok := errors.AsType[*quota.Refusal](err)
	if !ok || minute.Window != broker.UsageMinute || minute.Remaining() != 1 || minute.Asked != 2 || minute.Wait(at.Now()) != 50 {
		t.Errorf("%v: %+v", err, minute)
	}
	at.Set(noon().Add(time.Hour))
	charge(t, q, "who", 2)
	_, err = q.Charge(t.Context(), guest("who"), "j", 2)
	day, ok := errors.AsType[*quota.Refusal](err)
	if !ok || day.Window != broker.UsageDay || day.Remaining() != 1 || day.Limit != 6 || day.Wait(at.Now()) != 11*60*60-10 {
		t.Errorf("%v: %+v", err, day)
	}
	expectUsed(t, q, "who", 2, 5)
}

// TestSmallBesideLarge sends charges that exceed the limit. They must not cause charges that fit to be refused.
func TestSmallBesideLarge(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(0, 10), limits(0, 0)), clocktest.New(noon()).Now)
	charge(t, q, "who", 8)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, refused := charge(t, q, "who", 4); refused == "" {
				t.Error("charged 4 units with 2 left")
			}
		})
	}
	wg.Wait()
	for range 2 {
		if _, refused := charge(t, q, "who", 1); refused != "" {
			t.Error("cannot charge 1 unit of 2")
		}
	}
	expectUsed(t, q, "who", 10)
}

func TestLanesAndNoLimit(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(0, 0), limits(0, 1)), clocktest.New(noon()).Now)
	for range 30 {
		if _, refused := charge(t, q, "who", 4); refused != "" {
			t.Fatalf("refused by the %s", refused)
		}
	}
	reservation, err := q.Charge(t.Context(), guest("who"), "j", 4)
	if err != nil || reservation.Charge != nil || len(reservation.Usage) != 0 {
		t.Errorf("%+v, %v", reservation, err)
	}
	for n, fits := range []bool{true, false} {
		reservation, err := q.Charge(t.Context(), member("who"), "j", 1)
		if (err == nil) != fits {
			t.Errorf("member's charge %d: %v", n, err)
		}
		if fits && *reservation.Charge != (job.Charge{Who: "who", Day: "20260304", Units: 1}) {
			t.Errorf("%+v", reservation.Charge)
		}
	}
}

// TestRelease releases a charge twice, after its context was canceled.
func TestRelease(t *testing.T) {
	t.Parallel()
	q := quota.New(brokertest.Start(t), plans(limits(9, 9), limits(0, 0)), clocktest.New(noon()).Now)
	charge(t, q, "who", 1)
	reservation, err := q.Charge(t.Context(), guest("who"), "j", 4)
	if err != nil {
		t.Fatal(err)
	}
	expectUsed(t, q, "who", 5, 5)
	ctx, gone := contextOf(t)
	gone()
	for range 2 {
		if err := reservation.Release(ctx); err != nil {
			t.Error(err)
		}
	}
	expectUsed(t, q, "who", 1, 1)
	var none *quota.Reservation
	if err := none.Release(ctx); err != nil {
		t.Error(err)
	}
}

// TestReleaseIfAbsent releases the charge of a job that exists after all and fails: nothing is refunded twice.
func TestReleaseIfAbsent(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, plans(limits(9, 9), limits(0, 0)), clocktest.New(noon()).Now)
	charge(t, q, "who", 3)
	reservation, err := q.Charge(t.Context(), guest("who"), "j", 4)
	if err != nil {
		t.Fatal(err)
	}
	record := failed("j", job.CodeInternal, reservation.Charge)
	ctx, gone := contextOf(t)
	gone()
	for range 2 {
		if err := reservation.ReleaseIfAbsent(ctx, record.Spec); err != nil {
			t.Error(err)
		}
		expectUsed(t, q, "who", 3, 3)
		refund(t, b, record)
		expectUsed(t, q, "who", 3, 3)
	}
}

// TestRefusalWritesNothing repeats refused charges.
func TestRefusalWritesNothing(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, plans(limits(0, 3), limits(0, 0)), clocktest.New(noon()).Now)
	charge(t, q, "who", 3)
	before := lastSequence(t, b)
	for range 20 {
		charge(t, q, "who", 1)
	}
	if after := lastSequence(t, b); after != before {
		t.Errorf("%d messages were written", after-before)
	}
}

// TestUnavailable charges without a connection to NATS.
func TestUnavailable(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.ReconcileInterval(time.Hour))
	q := quota.New(b, plans(limits(9, 9), limits(0, 0)), clocktest.New(noon()).Now)
	charge(t, q, "who", 1)
	b.Conn().Close()
	if _, err := q.Charge(t.Context(), guest("who"), "j", 1); !errors.Is(err, quota.ErrUnavailable) {
		t.Errorf("charge: %v", err)
	}
	if _, err := q.Usage(t.Context(), guest("who")); !errors.Is(err, quota.ErrUnavailable) {
		t.Errorf("usage: %v", err)
	}
}
