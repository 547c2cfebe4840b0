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

// Refusal is the error of a charge that is more than is left of a window.
type Refusal struct {
	// Usage is of the window that refuses, without what was asked for.
	Usage
	// Asked is what was asked for.
	Asked int
}

// Error names the window.
func (r *Refusal) Error() string { return "more than is left of the " + r.Window }

// Quota charges and refuses.
type Quota struct {
	broker *broker.Broker
	js     jetstream.JetStream
	plans  Plans
	now    func() time.Time
	turns  turns
	// slots holds one value for each operation that is talking to NATS.
	slots chan struct{}
}

// New returns a quota on a broker. now is time.Now when nil.
func New(b *broker.Broker, plans Plans, now func() time.Time) *Quota {
	if now == nil {
		now = time.Now
	}
	return &Quota{broker: b, js: b.JetStream(), plans: plans, now: now, slots: make(chan struct{}, maxOperations)}
}

// maxOperations is how many charges and readings of one process talk to NATS at once. A busy machine cannot answer the
// requests of thousands in time; the others wait until their callers' contexts end.
const maxOperations = 32

// enter waits for a slot and returns what frees it.
func (q *Quota) enter(ctx context.Context) (leave func(), err error) {
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

// Bill is a charge that was made.
type Bill struct {
	// Usage is of each window that is limited, with the charge.
	Usage []Usage
	// Charge is what the job has to carry to be given back; nil when no day is limited.
	Charge *job.Charge

	quota *Quota
	units int
	id    string
}

// takeTries and takePause bound how often a charge is tried that others stood in the way of who were refused themselves.
const (
	takeTries = 3
	takePause = 5 * time.Millisecond
)

// Charge takes units of every quota of a key for the job with the given id, or of none. It fails with a *Refusal, and with
// ErrUnavailable when a counter cannot be reached; nothing is taken then, unless NATS went away in between. It costs a read
// and one acknowledged publish for each window that is limited, the reads at once and then the publishes at once; a refusal
// costs reads, and takes back at once what it took.
//
// It looks first: whoever asks for more than there is, however often, writes nothing. What several take at the same moment
// stands in a counter although it is refused, and may have others refused who ask for less; they look once more when it is
// gone.
func (q *Quota) Charge(ctx context.Context, key Key, id string, units int) (*Bill, error) {
	leave, err := q.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	now := q.now()
	// Whoever repeats a submission under its key is charged, and given back, on its own.
	bill := &Bill{quota: q, units: units, id: id + "." + rand.Text(), Usage: q.windows(key, now)}
	for try := 1; ; try++ {
		refusal, err := bill.look(ctx)
		if refusal == nil && err == nil {
			refusal, err = bill.take(ctx, try)
			if refusal == nil && err == nil {
				bill.Charge = chargeOf(key, bill.Usage, now, units)
				return bill, nil
			}
			if err == nil && try < takeTries {
				// Meanwhile others can take back what they took in vain.
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

// look reads the counters and returns the first refusal.
func (b *Bill) look(ctx context.Context) (*Refusal, error) {
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

// take adds to every counter and, when one of them is then above its limit or did not answer, takes back what it added. It
// returns the first refusal. try tells its messages from those of an earlier take.
func (b *Bill) take(ctx context.Context, try int) (*Refusal, error) {
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
			// Whether it was added is not known. The same message once more adds nothing if it was.
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

// chargeOf returns what a job carries of the days that it was charged to; nil when there is none.
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
		// Programs that do not know of addresses give back what stands here.
		charge.Who, charge.Address = charge.Address, ""
	}
	if charge.Who == "" {
		return nil
	}
	return charge
}

// Cancel gives everything back, because no job was made. It works on a nil bill and when ctx has ended.
func (b *Bill) Cancel(ctx context.Context) error {
	if b == nil {
		return nil
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	return b.cancel(ctx, b.Usage)
}

func (b *Bill) cancel(ctx context.Context, list []Usage) error {
	return each(len(list), func(i int) error {
		u := list[i]
		_, err := b.quota.add(ctx, u.counter, -b.units, b.id+"."+u.Window+".cancel")
		return err
	})
}

// Withdraw is Cancel for a job of which nobody knows whether it was made. Should it have been, it is its owner's for nothing
// and is not given back a second time when it fails.
func (b *Bill) Withdraw(ctx context.Context, spec *job.Spec) error {
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
		err = errors.Join(err, giveBack(ctx, b.quota.js, mark, b.Charge, b.units))
	}
	return err
}

// settled is the context of what has to be put right though its caller is gone.
func settled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
}
