package quota_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// withCeiling limits members to ten a day, and an address to so many.
func withCeiling(perDay int) quota.Plans {
	return quota.Plans{Media: quota.Plan{Guest: limits(0, 5), Member: limits(0, 10), AddressPerDay: perDay}}
}

// TestAddressAtOnce has many members of one address charge in two processes at once. Together they get what the address may
// have, none more than its own, and a member elsewhere is not affected.
func TestAddressAtOnce(t *testing.T) {
	t.Parallel()
	const members, ceiling = 20, 60
	b, at := brokertest.Start(t), newClock(noon())
	processes := []*quota.Quota{quota.New(b, withCeiling(ceiling), at.now), quota.New(b, withCeiling(ceiling), at.now)}
	var passed atomic.Int32
	var by [members]atomic.Int32
	var wg sync.WaitGroup
	for n := range 1000 {
		wg.Go(func() {
			who := n % members
			// As the server does: one of an owner at a time.
			q, key := processes[who%2], member(fmt.Sprint("m", who))
			end, err := q.Lock(t.Context(), key)
			if err != nil {
				t.Error(err)
				return
			}
			defer end()
			_, err = q.Charge(t.Context(), key, fmt.Sprint("j", n), 1)
			if refusal, ok := errors.AsType[*quota.Refusal](err); ok {
				if refusal.Window == quota.WindowAddress && refusal.Limit != ceiling {
					t.Errorf("%+v", refusal)
				}
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			passed.Add(1)
			by[who].Add(1)
		})
	}
	wg.Wait()
	if passed.Load() != ceiling {
		t.Errorf("%d passed, want %d", passed.Load(), ceiling)
	}
	for who := range by {
		if got := used(t, processes[0], member(fmt.Sprint("m", who))); got[0] != int(by[who].Load()) || got[0] > 10 || got[1] != ceiling {
			t.Errorf("member %d has taken %v, and %d passed", who, got, by[who].Load())
		}
	}
	elsewhere := member("m0")
	elsewhere.Address = "elsewhere"
	if got := used(t, processes[0], elsewhere); got[1] != 0 {
		t.Errorf("elsewhere: %v", got)
	}
}

// TestAddressRefusal takes nothing from anybody when it is the address that refuses, and says so.
func TestAddressRefusal(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, withCeiling(12), newClock(noon()).now)
	for _, take := range []struct {
		key   quota.Key
		units int
	}{{member("ann"), 9}, {guest("home"), 1}} {
		if _, err := q.Charge(t.Context(), take.key, "j", take.units); err != nil {
			t.Fatal(err)
		}
	}
	before := lastSequence(t, b)
	_, err := q.Charge(t.Context(), member("bob"), "j", 3)
	refusal, ok := errors.AsType[*quota.Refusal](err)
	if !ok || refusal.Window != quota.WindowAddress || refusal.Remaining() != 2 || refusal.Limit != 12 || refusal.Wait(noon()) != 12*60*60-10 {
		t.Errorf("%v: %+v", err, refusal)
	}
	if after := lastSequence(t, b); after != before {
		t.Errorf("%d messages were written", after-before)
	}
	if got := used(t, q, member("bob")); fmt.Sprint(got) != "[0 10]" {
		t.Errorf("taken %v", got)
	}
}

// TestRefusedTogether has two counters refuse what the third one has room for, when it is too late to look first: everything
// that was added is taken back.
func TestRefusedTogether(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, withCeiling(25), newClock(noon()).now)
	var wg sync.WaitGroup
	var units atomic.Int32
	for n := range 200 {
		wg.Go(func() {
			// Several of one member at once, without waiting for each other's turns.
			if _, err := q.Charge(t.Context(), member(fmt.Sprint("m", n%4)), fmt.Sprint("j", n), 1+n%4); err == nil {
				units.Add(int32(1 + n%4))
			}
		})
	}
	wg.Wait()
	sum := 0
	for n := range 4 {
		got := used(t, q, member(fmt.Sprint("m", n)))
		if sum += got[0]; got[0] > 10 || got[1] > 25 || got[1] != int(units.Load()) {
			t.Errorf("member %d has taken %v of %d", n, got, units.Load())
		}
	}
	if sum != int(units.Load()) {
		t.Errorf("%d counted for members, %d passed", sum, units.Load())
	}
}

// TestAddressGivenBack ends a job in each way that gives something back: the owner and the address get the same, once.
func TestAddressGivenBack(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, withCeiling(40), newClock(noon()).now)
	take := func(id string, units int) *quota.Reservation {
		bill, err := q.Charge(t.Context(), member("who"), id, units)
		if err != nil {
			t.Fatal(err)
		}
		return bill
	}
	expect := func(what string, want int) {
		t.Helper()
		if got := used(t, q, member("who")); got[0] != want || got[1] != want {
			t.Errorf("%s: taken %v, want %d of both", what, got, want)
		}
	}
	take("stays", 1)
	bill := take("failed", 3)
	if *bill.Charge != (job.Charge{Who: "who", Address: "at-home", Day: "20260304", Units: 3}) {
		t.Errorf("%+v", bill.Charge)
	}
	record := failed("failed", job.CodeInternal, bill.Charge)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { refund(t, b, record) })
	}
	wg.Wait()
	expect("refunded", 1)
	forget(t, b)
	refund(t, b, record)
	expect("refunded after NATS has forgotten", 1)

	bill = take("canceled", 2)
	for range 2 {
		if err := bill.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
	expect("canceled", 1)

	bill = take("withdrawn", 4)
	record = failed("withdrawn", job.CodeInternal, bill.Charge)
	for range 2 {
		if err := bill.ReleaseIfAbsent(t.Context(), record.Spec); err != nil {
			t.Error(err)
		}
		refund(t, b, record)
	}
	expect("withdrawn", 1)
}

// TestAddressAlone limits nothing but the address: programs that do not know of addresses give that back.
func TestAddressAlone(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, quota.Plans{Media: quota.Plan{AddressPerDay: 2}}, newClock(noon()).now)
	if !q.Limited(guest("who")) || !q.Limited(member("who")) {
		t.Error("nothing is limited")
	}
	bill, err := q.Charge(t.Context(), member("who"), "j", 2)
	if err != nil {
		t.Fatal(err)
	}
	if *bill.Charge != (job.Charge{Who: "at-home", Day: "20260304", Units: 2}) {
		t.Errorf("%+v", bill.Charge)
	}
	if _, err := q.Charge(t.Context(), guest("other"), "k", 1); err == nil {
		t.Error("more than the address may have")
	}
	refund(t, b, failed("j", job.CodeInternal, bill.Charge))
	if got := used(t, q, member("who")); fmt.Sprint(got) != "[0]" {
		t.Errorf("taken %v", got)
	}
}

// TestTextsApart counts texts under names of their own.
func TestTextsApart(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, quota.Plans{
		Media: quota.Plan{Guest: limits(2, 3), AddressPerDay: 9}, Text: quota.Plan{Guest: limits(4, 5), AddressPerDay: 6},
	}, newClock(noon()).now)
	text := quota.Key{Group: quota.GroupText, Lane: job.LaneGuest, Owner: "t-who", Address: "t-home"}
	for range 4 {
		bill, err := q.Charge(t.Context(), text, "j", 1)
		if err != nil {
			t.Fatal(err)
		}
		if bill.Charge.Who != "t-who" || bill.Charge.Address != "t-home" {
			t.Errorf("%+v", bill.Charge)
		}
	}
	list, err := q.Usage(t.Context(), guest("who"), text)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, u := range list {
		got = append(got, fmt.Sprintf("%s %d/%d", u.Policy(), u.Used, u.Limit))
	}
	if want := "[minute 0/2 day 0/3 address 0/9 text-minute 4/4 text-day 4/5 text-address 4/6]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	for kind, want := range map[job.Kind]quota.Group{
		job.KindImage: quota.GroupMedia, job.KindAudio: quota.GroupMedia, job.KindPrompt: quota.GroupText, job.KindTranslation: quota.GroupText,
	} {
		if quota.GroupOf(kind) != want {
			t.Errorf("%s is counted as %s", kind, quota.GroupOf(kind))
		}
	}
}

// TestHalfCharged takes one of two counters away: what was added to the other is taken back.
func TestHalfCharged(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, func(c *broker.Config) { c.ReconcileInterval = time.Hour })
	q := quota.New(b, quota.Plans{Media: quota.Plan{Guest: limits(9, 9), AddressPerDay: 9}}, newClock(noon()).now)
	stream, err := b.JetStream().Stream(t.Context(), broker.StreamUsage)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	// Sealed it is read and takes nothing.
	cfg.Sealed = true
	if _, err := b.JetStream().UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Charge(t.Context(), guest("who"), "j", 2); !errors.Is(err, quota.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if got := used(t, q, guest("who")); fmt.Sprint(got) != "[0 0 0]" {
		t.Errorf("taken %v", got)
	}
}

// TestRefundOfForeignAddress gives back to the owner although the address is no name of a counter.
func TestRefundOfForeignAddress(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	refund(t, b, failed("j", job.CodeInternal, &job.Charge{Who: "who", Address: "a.b", Day: "20260304", Units: 2}))
	if n := messages(t, b); n != 2 {
		t.Errorf("%d messages, want a mark and a counter", n)
	}
	msg, err := b.JetStream().Stream(t.Context(), broker.StreamUsage)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := msg.GetLastMsgForSubject(t.Context(), broker.UsageSubject(broker.UsageDay, "who", "20260304")); errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Error("nothing was given back")
	}
}

// TestChargeOfWhichNobodyIsTold has NATS add to a counter and never say so. Whoever gives up then has taken nothing.
func TestChargeOfWhichNobodyIsTold(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, quota.Plans{Media: quota.Plan{Guest: limits(9, 9), AddressPerDay: 9}}, newClock(noon()).now)
	js := b.JetStream()
	stream, err := js.Stream(t.Context(), broker.StreamUsage)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	mute := func(on bool) {
		t.Helper()
		cfg.NoAck = on
		if _, err := js.UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	mute(true)
	ctx, giveUp := contextOf(t)
	defer giveUp()
	charged := make(chan error, 1)
	go func() {
		_, err := q.Charge(ctx, guest("who"), "j", 2)
		charged <- err
	}()
	for fmt.Sprint(used(t, q, guest("who"))) != "[2 2 2]" {
		if t.Context().Err() != nil {
			t.Fatal("never added")
		}
	}
	mute(false)
	giveUp()
	want := "[0 0 0]"
	if err := <-charged; err == nil {
		want = "[2 2 2]" // It was told in time after all.
	} else if !errors.Is(err, quota.ErrUnavailable) {
		t.Error(err)
	}
	if got := fmt.Sprint(used(t, q, guest("who"))); got != want {
		t.Errorf("taken %s, want %s", got, want)
	}
}
