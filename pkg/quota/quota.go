package quota

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// ErrUnavailable is returned when a counter cannot be reached.
var ErrUnavailable = errors.New("the quota cannot be counted")

// Refusal is the error of a charge that exceeds what remains of a window.
type Refusal struct {
	// Usage is that of the window that is exceeded, without the units that were asked for.
	Usage
	// Asked is the number of units that were asked for.
	Asked int
}

// Error names the window.
func (r *Refusal) Error() string { return "the quota of the " + r.Window + " is exceeded" }

// Quota is the counters and limits of all callers.
type Quota struct {
	broker *broker.Broker
	js     jetstream.JetStream
	plans  Plans
	now    func() time.Time
	locks  ownerLocks
	// slots holds one value for each operation under way.
	slots chan struct{}
}

// New returns the quota on a broker. now is time.Now when nil. It costs no request.
func New(b *broker.Broker, plans Plans, now func() time.Time) *Quota {
	if now == nil {
		now = time.Now
	}
	return &Quota{broker: b, js: b.JetStream(), plans: plans, now: now, slots: make(chan struct{}, maxOperations)}
}

// maxOperations bounds the concurrent charges and reads of one process. A busy machine cannot answer the requests of thousands
// in time; the others wait until their contexts end.
const maxOperations = 32

// acquireSlot waits for a slot and returns what releases it.
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
	return q.limits(key) != Limits{} || q.plan(key.Group).AddressPerDay > 0
}

// Reservation is a charge that was made.
type Reservation struct {
	// Usage is that of each limited window, including the charge.
	Usage []Usage
	// Charge is stored with the job, for a refund; nil when no day is limited.
	Charge *job.Charge

	quota *Quota
	units int
	id    string
}

// takeTries and takePause bound how often a charge is tried that was refused because of charges that were refused themselves.
const (
	takeTries = 3
	takePause = 5 * time.Millisecond
)

// Charge charges units to every window of a key for the job with the given ID, or to none. It fails with a *Refusal, and with
// ErrUnavailable when a counter cannot be reached; nothing is charged then, unless NATS went away in between. It costs a read
// and one acknowledged publish for each limited window, the reads at once and then the publishes at once; a refusal costs
// reads, and the reversal of what was charged.
//
// It reads first: requests beyond a limit, however many, write nothing. Concurrent charges stand in a counter until they are
// reversed, and may have smaller ones refused; those are tried again.
func (q *Quota) Charge(ctx context.Context, key Key, id string, units int) (*Reservation, error) {
	release, err := q.acquireSlot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	now := q.now()
	// A repeated submission with the same idempotency key is charged and reversed separately.
	bill := &Reservation{quota: q, units: units, id: id + "." + rand.Text(), Usage: q.windows(key, now)}
	for try := 1; ; try++ {
		refusal, err := bill.check(ctx)
		if refusal == nil && err == nil {
			refusal, err = bill.take(ctx, try)
			if refusal == nil && err == nil {
				bill.Charge = chargeOf(key, bill.Usage, now, units)
				return bill, nil
			}
			if err == nil && try < takeTries {
				// Let concurrent charges that were refused be reversed first.
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

// check reads the counters and returns the first refusal.
func (b *Reservation) check(ctx context.Context) (*Refusal, error) {
	if err := b.quota.read(ctx, b.Usage); err != nil {
		return nil, err
	}
	for _, u := range b.Usage {
		if !u.fits(b.units) {
			return &Refusal{Usage: u, Asked: b.units}, nil
		}
	}
	return nil, nil
}

// take adds to every counter, and reverses that when one of them exceeds its limit or did not answer. It returns the first
// refusal. try distinguishes its messages from those of an earlier call.
func (b *Reservation) take(ctx context.Context, try int) (*Refusal, error) {
	q, id := b.quota, fmt.Sprintf("%s.%d", b.id, try)
	added := make([]bool, len(b.Usage))
	err := each(len(b.Usage), func(i int) error {
		u := &b.Usage[i]
		used, err := q.add(ctx, u.counter, b.units, id+"."+u.Window+".take")
		if err == nil {
			u.Used, added[i] = int(used), true
		}
		return err
	})
	over := -1
	for i, u := range b.Usage {
		if added[i] && u.Used > u.Limit && over < 0 {
			over = i
		}
	}
	if err == nil && over < 0 {
		return nil, nil
	}
	undoing, cancel := settled(ctx)
	defer cancel()
	err = errors.Join(err, each(len(b.Usage), func(i int) error {
		u := &b.Usage[i]
		if !added[i] {
			// Whether it was added is not known. NATS ignores the same message if it was.
			if _, err := q.add(undoing, u.counter, b.units, id+"."+u.Window+".take"); err != nil {
				return err
			}
		}
		used, err := q.add(undoing, u.counter, -b.units, id+"."+u.Window+".undo")
		if err == nil {
			u.Used = int(used)
		}
		return err
	}))
	if err != nil {
		return nil, err
	}
	return &Refusal{Usage: b.Usage[over], Asked: b.units}, nil
}

// chargeOf returns what is stored with a job for a refund; nil when no day is limited.
func chargeOf(key Key, list []Usage, now time.Time, units int) *job.Charge {
	charge := &job.Charge{Day: job.DayOf(now), Units: units}
	for _, u := range list {
		switch u.Window {
		case WindowDay:
			charge.Who = key.Owner
		case WindowAddress:
			charge.Address = key.Address
		}
	}
	if charge.Who == "" {
		// Versions that do not know of addresses refund to Who.
		charge.Who, charge.Address = charge.Address, ""
	}
	if charge.Who == "" {
		return nil
	}
	return charge
}

// Release reverses a charge because no job was created. It works on a nil *Reservation, and after ctx has ended.
func (b *Reservation) Release(ctx context.Context) error {
	if b == nil {
		return nil
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	return b.cancel(ctx, b.Usage)
}

func (b *Reservation) cancel(ctx context.Context, list []Usage) error {
	return each(len(list), func(i int) error {
		u := list[i]
		_, err := b.quota.add(ctx, u.counter, -b.units, b.id+"."+u.Window+".cancel")
		return err
	})
}

// ReleaseIfAbsent is Release for a job that may or may not have been created. If it was created, it is free of charge, and it
// is not refunded a second time when it fails.
func (b *Reservation) ReleaseIfAbsent(ctx context.Context, spec *job.Spec) error {
	if b == nil {
		return nil
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	var minutes []Usage
	for _, u := range b.Usage {
		if u.Window == WindowMinute {
			minutes = append(minutes, u)
		}
	}
	err := b.cancel(ctx, minutes)
	if b.Charge != nil {
		mark := broker.RefundSubject(spec.ID, spec.CreatedAt.Time)
		err = errors.Join(err, refundUnits(ctx, b.quota.js, mark, b.Charge, b.units))
	}
	return err
}

// settled returns the context of a reversal, which is completed even if its caller is gone.
func settled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
}
