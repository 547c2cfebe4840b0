package quota

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/spend"
)

// ErrUnavailable is returned when a counter cannot be reached.
var ErrUnavailable = errors.New("the quota counters are unavailable")

// Refusal is the error of a charge that exceeds a limit.
type Refusal struct {
	// Usage is that of the exceeded window, without the requested units.
	Usage
	// Asked is the number of requested units, or the expected cost if a budget is exceeded.
	Asked int
}

// Error names the window.
func (r *Refusal) Error() string { return "the quota of the " + r.Window + " is exceeded" }

// Quota counts and limits the usage of all callers.
type Quota struct {
	broker *broker.Broker
	js     jetstream.JetStream
	// buffered counts charges, for which Durable waits.
	buffered jetstream.JetStream
	plans    Plans
	now      func() time.Time
	// spend holds the counters of budgets.
	spend    *spend.Counters
	tallies  tallies
	combiner combiner
	// slots holds one value for each operation in progress.
	slots chan struct{}
}

// New returns the quota whose counters are stored in a broker. now defaults to time.Now. It costs no request.
func New(b *broker.Broker, plans Plans, now func() time.Time) *Quota {
	if now == nil {
		now = time.Now
	}
	return &Quota{broker: b, js: b.JetStream(), buffered: b.Buffered(), plans: plans, now: now, spend: spend.New(b), slots: make(chan struct{}, maxOperations)}
}

// maxOperations bounds the concurrent charges and reads of one process: a busy server cannot answer thousands of concurrent
// requests in time. Further operations wait until their contexts end. It is far more than there are requests, since charges to
// the same counter share one: the more of them may wait for it, the fewer requests there are.
const maxOperations = 256

// acquireSlot waits for a slot and returns the function that releases it.
func (q *Quota) acquireSlot(ctx context.Context) (release func(), err error) {
	select {
	case q.slots <- struct{}{}:
		return func() { <-q.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
	}
}

func (q *Quota) plan(group Group) Plan {
	if group == GroupText {
		return q.plans.Text
	}
	return q.plans.Media
}

func (q *Quota) limits(key Key) Limits {
	if key.Lane == job.LaneMember {
		return q.plan(key.Group).Member
	}
	return q.plan(key.Group).Guest
}

// Limited reports whether anything is limited for a key.
func (q *Quota) Limited(key Key) bool {
	return q.limits(key) != Limits{} || q.plan(key.Group).AddressPerDay > 0 || key.APIKey != "" || len(key.Budgets) > 0
}

// Reservation is a successful charge.
type Reservation struct {
	// Usage lists the usage of each limited window, including the charge.
	Usage []Usage
	// Charge is stored with the job for refunds; nil when no daily limit applies.
	Charge *job.Charge

	quota *Quota
	id    string
}

// takeTries bounds the attempts of a charge that concurrent refused charges may have caused to be refused; takePause is the
// delay between them.
const (
	takeTries = 3
	takePause = 5 * time.Millisecond
)

// Charge charges units for the job with the given ID to all limited windows of a key, or to none. It returns a *Refusal when a
// limit is exceeded, and ErrUnavailable when a counter cannot be reached; then nothing is charged, unless NATS became
// unavailable in between. It costs one acknowledged publish for each limited window, all concurrently, which it shares with charges
// that arrive at the same time; a refusal costs a read for each, and the reversal of what was charged.
//
// It reads first if the units do not fit as far as this process knows, so that its requests beyond a limit write nothing once it
// has seen the counter. A charge that is refused is counted until it is reversed, and may cause concurrent smaller charges to be
// refused; these are retried.
func (q *Quota) Charge(ctx context.Context, key Key, id string, units int) (*Reservation, error) {
	release, err := q.acquireSlot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	now := q.now()
	// The random part separates repeated submissions with the same idempotency key.
	r := &Reservation{quota: q, id: id + "." + rand.Text(), Usage: q.windows(key, now, units)}
	for try := 1; ; try++ {
		var refusal *Refusal
		if try > 1 || !q.js.Conn().IsConnected() || !q.tallies.mayFit(r.Usage) {
			refusal, err = r.check(ctx)
		}
		if refusal == nil && err == nil {
			refusal, err = r.take(ctx, try)
			if refusal == nil && err == nil {
				r.Charge = chargeOf(key, r.Usage, now, units)
				return r, nil
			}
			if err == nil && try < takeTries {
				// Wait for the reversal of concurrent refused charges.
				if lifecycle.Sleep(ctx, takePause) {
					continue
				}
				err = fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
			}
		}
		if err != nil {
			return nil, err
		}
		return nil, refusal
	}
}

// check reads the counters and returns the first refusal, or nil if the units fit.
func (r *Reservation) check(ctx context.Context) (*Refusal, error) {
	if err := r.quota.read(ctx, r.Usage); err != nil {
		return nil, err
	}
	for _, u := range r.Usage {
		if !u.fits() {
			return &Refusal{Usage: u, Asked: u.units}, nil
		}
	}
	return nil, nil
}

// take adds the units to all counters, and reverses that when one of them exceeds its limit or fails. It returns the first
// refusal, or nil. try distinguishes its messages from those of an earlier call.
func (r *Reservation) take(ctx context.Context, try int) (*Refusal, error) {
	q, id := r.quota, r.id+"."+strconv.Itoa(try)
	charges, counters := make([]charge, len(r.Usage)), make([]counter, len(r.Usage))
	for i, u := range r.Usage {
		charges[i], counters[i] = charge{limit: u.Limit, units: u.units}, u.counter
	}
	batches := q.charge(ctx, counters, charges)
	// A charge whose outcome is still unknown when ctx ends is reversed once it is known.
	var err error
	for i, b := range batches {
		select {
		case <-b.done:
			r.Usage[i].Used = charges[i].used
			err = errors.Join(err, b.err)
		default:
			err = errors.Join(err, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx)))
		}
	}
	over := -1
	if err == nil {
		over = slices.IndexFunc(charges, func(c charge) bool { return !c.fits })
		if over < 0 {
			return nil, nil
		}
	}
	undoing, cancel := settled(ctx)
	defer cancel()
	err = errors.Join(err, each(len(r.Usage), func(i int) error {
		u := &r.Usage[i]
		select {
		case <-batches[i].done:
		case <-undoing.Done():
			return fmt.Errorf("%w: reverse a charge: %w", ErrUnavailable, context.Cause(undoing))
		}
		if batches[i].err != nil {
			return nil // It is reversed already.
		}
		used, err := q.add(undoing, q.js, u.counter, -u.units, id+"."+u.Window+".undo")
		if err == nil {
			u.Used = used
		}
		return err
	}))
	if err != nil {
		return nil, err
	}
	return &Refusal{Usage: r.Usage[over], Asked: r.Usage[over].units}, nil
}

// chargeOf returns the charge that is stored with a job for refunds, or nil when no daily limit applies.
func chargeOf(key Key, list []Usage, now time.Time, units int) *job.Charge {
	charge := &job.Charge{Day: job.DayOf(now), Units: units}
	for _, u := range list {
		switch u.Window {
		case WindowDay:
			charge.Who = key.Owner
		case WindowAddress:
			charge.Address = key.Address
		case WindowKeyDay:
			charge.Key = key.APIKey
		}
	}
	if charge.Who == "" {
		// Versions without address limits refund to Who.
		charge.Who, charge.Address = charge.Address, ""
	}
	if charge.Who == "" {
		charge.Who, charge.Key = charge.Key, ""
	}
	if charge.Who == "" {
		return nil
	}
	return charge
}

// Durable returns when the charge is on disk.
func (r *Reservation) Durable(ctx context.Context) error {
	streams := []string{broker.StreamUsage}
	if r.Spending(nil) != nil {
		streams = append(streams, broker.StreamSpend)
	}
	return r.quota.broker.Durable(ctx, streams...)
}

// Release reverses a charge for which no job was created. It works even if ctx has ended, and does nothing if r is nil.
func (r *Reservation) Release(ctx context.Context) error {
	if r == nil {
		return nil
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	return r.cancel(ctx, r.Usage)
}

func (r *Reservation) cancel(ctx context.Context, list []Usage) error {
	return each(len(list), func(i int) error {
		u := list[i]
		_, err := r.quota.add(ctx, r.quota.js, u.counter, -u.units, r.id+"."+u.Window+".cancel")
		return err
	})
}

// ReleaseIfAbsent is Release for a job that may or may not have been created. If it was created, it is free of charge and is
// not refunded again when it fails.
func (r *Reservation) ReleaseIfAbsent(ctx context.Context, spec *job.Spec) error {
	if r == nil {
		return nil
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	var minutes []Usage
	for _, u := range r.Usage {
		if !u.Daily() {
			minutes = append(minutes, u)
		}
	}
	err := r.cancel(ctx, minutes)
	if r.Charge != nil {
		mark := broker.RefundSubject(spec.ID, spec.CreatedAt.Time)
		err = errors.Join(err, refundUnits(ctx, r.quota.broker, mark, r.Charge, r.Charge.Units))
	}
	return errors.Join(err, r.quota.spend.Release(ctx, spec))
}

// settled returns the context of a reversal, which completes even if ctx ends.
func settled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
}
