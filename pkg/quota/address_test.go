package quota_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// withAddressLimit returns plans with a limit of ten per day for members, and the given one for an address.
func withAddressLimit(perDay int) quota.Plans {
	return quota.Plans{Media: quota.Plan{Guest: limits(0, 5), Member: limits(0, 10), AddressPerDay: perDay}}
}

// TestConcurrentAddressCharges charges many members at one address concurrently in two processes. Together they get exactly the
// limit of the address, none more than its own limit, and members at other addresses are not affected.
func TestConcurrentAddressCharges(t *testing.T) {
	t.Parallel()
	const members, ceiling = 20, 60
	b, at := brokertest.Start(t), clocktest.New(noon())
	processes := []*quota.Quota{quota.New(b, withAddressLimit(ceiling), at.Now), quota.New(b, withAddressLimit(ceiling), at.Now)}
	var passed atomic.Int32
	var by [members]atomic.Int32
	var wg sync.WaitGroup
	for n := range 1000 {
		wg.Go(func() {
			who := n % members
			// Like the server, reserve before charging.
			q, key := processes[who%2], member(fmt.Sprint("m", who))
			end, err := q.Reserve(t.Context(), key, 1)
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
			t.Errorf("member %d has used %v, and %d charges passed", who, got, by[who].Load())
		}
	}
	elsewhere := member("m0")
	elsewhere.Address = "elsewhere"
	if got := used(t, processes[0], elsewhere); got[1] != 0 {
		t.Errorf("elsewhere: %v", got)
	}
}

// TestAddressRefusal exceeds the limit of an address: nothing is charged.
func TestAddressRefusal(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, withAddressLimit(12), clocktest.New(noon()).Now)
	for _, c := range []struct {
		key   quota.Key
		units int
	}{{member("ann"), 9}, {guest("home"), 1}} {
		if _, err := q.Charge(t.Context(), c.key, "j", c.units); err != nil {
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
		t.Errorf("used %v", got)
	}
}

// TestConcurrentRefusals charges concurrently without locks, so that limits are exceeded only by the counters themselves: every
// refused charge is reversed in all of them.
func TestConcurrentRefusals(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, withAddressLimit(25), clocktest.New(noon()).Now)
	var wg sync.WaitGroup
	var units atomic.Int32
	for n := range 200 {
		wg.Go(func() {
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
			t.Errorf("member %d has used %v of %d", n, got, units.Load())
		}
	}
	if sum != int(units.Load()) {
		t.Errorf("%d units counted for members, %d charged", sum, units.Load())
	}
}

// TestAddressRefunds reverses a charge in each way: the same units are refunded to the owner and the address, once.
func TestAddressRefunds(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, withAddressLimit(40), clocktest.New(noon()).Now)
	reserve := func(id string, units int) *quota.Reservation {
		reservation, err := q.Charge(t.Context(), member("who"), id, units)
		if err != nil {
			t.Fatal(err)
		}
		return reservation
	}
	expect := func(what string, want int) {
		t.Helper()
		if got := used(t, q, member("who")); got[0] != want || got[1] != want {
			t.Errorf("%s: used %v, want %d in both windows", what, got, want)
		}
	}
	reserve("succeeded", 1)
	reservation := reserve("failed", 3)
	if *reservation.Charge != (job.Charge{Who: "who", Address: "at-home", Day: "20260304", Units: 3}) {
		t.Errorf("%+v", reservation.Charge)
	}
	record := failed("failed", job.CodeInternal, reservation.Charge)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { refund(t, b, record) })
	}
	wg.Wait()
	expect("refunded", 1)
	forget(t, b)
	refund(t, b, record)
	expect("refunded again after the duplicate window", 1)

	reservation = reserve("released", 2)
	for range 2 {
		if err := reservation.Release(t.Context()); err != nil {
			t.Error(err)
		}
	}
	expect("released", 1)

	reservation = reserve("absent", 4)
	record = failed("absent", job.CodeInternal, reservation.Charge)
	for range 2 {
		if err := reservation.ReleaseIfAbsent(t.Context(), record.Spec); err != nil {
			t.Error(err)
		}
		refund(t, b, record)
	}
	expect("absent", 1)
}

// TestOnlyAddressLimited limits only the address, which versions without address limits must be able to refund.
func TestOnlyAddressLimited(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, quota.Plans{Media: quota.Plan{AddressPerDay: 2}}, clocktest.New(noon()).Now)
	if !q.Limited(guest("who")) || !q.Limited(member("who")) {
		t.Error("nothing is limited")
	}
	reservation, err := q.Charge(t.Context(), member("who"), "j", 2)
	if err != nil {
		t.Fatal(err)
	}
	if *reservation.Charge != (job.Charge{Who: "at-home", Day: "20260304", Units: 2}) {
		t.Errorf("%+v", reservation.Charge)
	}
	if _, err := q.Charge(t.Context(), guest("other"), "k", 1); err == nil {
		t.Error("a charge exceeds the limit of the address")
	}
	refund(t, b, failed("j", job.CodeInternal, reservation.Charge))
	if got := used(t, q, member("who")); fmt.Sprint(got) != "[0]" {
		t.Errorf("used %v", got)
	}
}

func TestGroupsAreCountedSeparately(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, quota.Plans{
		Media: quota.Plan{Guest: limits(2, 3), AddressPerDay: 9}, Text: quota.Plan{Guest: limits(4, 5), AddressPerDay: 6},
	}, clocktest.New(noon()).Now)
	text := quota.Key{Group: quota.GroupText, Lane: job.LaneGuest, Owner: "t-who", Address: "t-home"}
	for range 4 {
		reservation, err := q.Charge(t.Context(), text, "j", 1)
		if err != nil {
			t.Fatal(err)
		}
		if reservation.Charge.Who != "t-who" || reservation.Charge.Address != "t-home" {
			t.Errorf("%+v", reservation.Charge)
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
			t.Errorf("the group of %s is %s", kind, quota.GroupOf(kind))
		}
	}
}

// TestPartialCharge makes one stream of counters read-only: the other counters are reversed.
func TestPartialCharge(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.ReconcileInterval(time.Hour))
	q := quota.New(b, quota.Plans{Media: quota.Plan{Guest: limits(9, 9), AddressPerDay: 9}}, clocktest.New(noon()).Now)
	stream, err := b.JetStream().Stream(t.Context(), broker.StreamUsage)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	// A sealed stream can be read but not written.
	cfg.Sealed = true
	if _, err := b.JetStream().UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Charge(t.Context(), guest("who"), "j", 2); !errors.Is(err, quota.ErrUnavailable) {
		t.Errorf("%v", err)
	}
	if got := used(t, q, guest("who")); fmt.Sprint(got) != "[0 0 0]" {
		t.Errorf("used %v", got)
	}
}

// TestRefundWithInvalidAddress refunds the owner although the address is not a valid token.
func TestRefundWithInvalidAddress(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	refund(t, b, failed("j", job.CodeInternal, &job.Charge{Who: "who", Address: "a.b", Day: "20260304", Units: 2}))
	if n := messages(t, b); n != 2 {
		t.Errorf("%d messages, want a mark and a counter", n)
	}
	stream, err := b.JetStream().Stream(t.Context(), broker.StreamUsage)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.GetLastMsgForSubject(t.Context(), broker.UsageSubject(broker.UsageDay, "who", "20260304")); errors.Is(err, jetstream.ErrMsgNotFound) {
		t.Error("nothing was refunded")
	}
}

// noAck returns a function that makes NATS store what is published to a stream without acknowledging it.
func noAck(t *testing.T, b *broker.Broker, name string) (set func(on bool)) {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	return func(on bool) {
		t.Helper()
		cfg.NoAck = on
		if _, err := b.JetStream().UpdateStream(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUnacknowledgedCounterHoldsNoOther has NATS acknowledge no charge to the counters of minutes: charges to the counter of the
// address do not wait until one to both is given up.
func TestUnacknowledgedCounterHoldsNoOther(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, quota.Plans{Media: quota.Plan{Guest: limits(9, 0), AddressPerDay: 9}}, clocktest.New(noon()).Now)
	setNoAck := noAck(t, b, broker.StreamUsageMinute)
	setNoAck(true)
	ctx, giveUp := contextOf(t)
	defer giveUp()
	charged := make(chan error, 1)
	go func() {
		_, err := q.Charge(ctx, guest("who"), "j", 2)
		charged <- err
	}()
	for fmt.Sprint(used(t, q, member("other"))) != "[2]" {
		if t.Context().Err() != nil {
			t.Fatal("the counter was never changed")
		}
	}
	// The charge to both is repeated for half a minute.
	soon, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := q.Charge(soon, member("other"), "k", 1); err != nil {
		t.Error(err)
	}
	setNoAck(false)
	giveUp()
	if err := <-charged; err != nil && !errors.Is(err, quota.ErrUnavailable) {
		t.Error(err)
	}
}

// TestUnacknowledgedCharge has NATS add to the counters without acknowledging it. If the caller then gives up, nothing stays
// charged.
func TestUnacknowledgedCharge(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, quota.Plans{Media: quota.Plan{Guest: limits(9, 9), AddressPerDay: 9}}, clocktest.New(noon()).Now)
	setNoAck := noAck(t, b, broker.StreamUsage)
	setNoAck(true)
	ctx, giveUp := contextOf(t)
	defer giveUp()
	charged := make(chan error, 1)
	go func() {
		_, err := q.Charge(ctx, guest("who"), "j", 2)
		charged <- err
	}()
	for fmt.Sprint(used(t, q, guest("who"))) != "[2 2 2]" {
		if t.Context().Err() != nil {
			t.Fatal("the counters were never changed")
		}
	}
	setNoAck(false)
	giveUp()
	want := "[0 0 0]"
	if err := <-charged; err == nil {
		want = "[2 2 2]" // A retry was acknowledged in time.
	} else if !errors.Is(err, quota.ErrUnavailable) {
		t.Error(err)
	}
	if got := fmt.Sprint(used(t, q, guest("who"))); got != want {
		t.Errorf("used %s, want %s", got, want)
	}
}
