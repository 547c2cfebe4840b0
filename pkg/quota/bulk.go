package quota

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/spend"
)

// Bulk is a charge for many jobs at once. It is stored before it is made, so that after a crash anyone can tell whether it was made
// and reverse it: the daily counters are changed together with a mark.
type Bulk struct {
	// ID and At identify the charge among all others.
	ID string   `json:"id"`
	At job.Time `json:"at"`
	// Units is the sum of the units of all jobs.
	Units int `json:"units"`
	// Charge is what is charged to the daily counters, and what each job stores for its refund, with its own units; nil when no
	// daily limit applies.
	Charge *job.Charge `json:"charge,omitempty"`
	// Spending is what is charged to budgets; nil when there are none. Versions older than the field do not reverse it.
	Spending *job.Spending `json:"spending,omitempty"`

	key Key
}

// Plan returns the charge of units to a key, or nil when nothing is limited. It charges nothing and costs no request. The id must be
// a subject token.
func (q *Quota) Plan(key Key, id string, at time.Time, units int) *Bulk {
	if !q.Limited(key) {
		return nil
	}
	now := q.now()
	list := q.windows(key, now, units)
	return &Bulk{
		ID: id + "-" + string(key.Group), At: job.At(at), Units: units, Charge: chargeOf(key, list, now, units), Spending: spendingOf(list), key: key,
	}
}

// Defer returns the charge of units to a key that is made at the end of a job, nil when no daily limit applies, and the usage of each
// limited window without it. It returns a *Refusal if deferred charges have exceeded a daily limit. It costs one read of each counter.
func (q *Quota) Defer(ctx context.Context, key Key, units int) (*job.Charge, []Usage, error) {
	list, err := q.Usage(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	for _, u := range list {
		if u.Daily() && u.Used > u.Limit {
			return nil, nil, &Refusal{Usage: u, Asked: units}
		}
	}
	return chargeOf(key, list, q.now(), units), list, nil
}

func (b *Bulk) mark() string { return broker.RefundSubject(b.ID, b.At.Time) }

func (b *Bulk) reversalMark() string { return broker.RefundSubject(b.ID+"-reversed", b.At.Time) }

// CheckBulk returns the usage of each limited window without a plan, or a *Refusal if the plan exceeds a limit now. It costs one read of
// each counter.
func (q *Quota) CheckBulk(ctx context.Context, b *Bulk) ([]Usage, error) {
	release, err := q.acquireSlot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	r := &Reservation{quota: q, Usage: q.windows(b.key, q.now(), b.Units)}
	refusal, err := r.check(ctx)
	switch {
	case err != nil:
		return nil, err
	case refusal != nil:
		return nil, refusal
	}
	return r.Usage, nil
}

// ChargeBulk charges all units of a plan, or nothing, and returns the usage of each limited window. It returns a *Refusal when a
// limit is exceeded; nothing is charged then. After ErrUnavailable, the daily charge may have been made, and ReverseBulk reverses it.
// It costs two reads of each counter, an atomic write, and one acknowledged publish for each window of a minute.
func (q *Quota) ChargeBulk(ctx context.Context, b *Bulk) ([]Usage, error) {
	end, err := q.Reserve(ctx, b.key, b.Units)
	if err != nil {
		return nil, err
	}
	defer end()
	release, err := q.acquireSlot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	r := &Reservation{quota: q, id: b.mark(), Usage: q.windows(b.key, q.now(), b.Units)}
	refusal, err := r.check(ctx)
	switch {
	case err != nil:
		return nil, err
	case refusal != nil:
		return nil, refusal
	}
	if b.Charge != nil {
		if err := refundUnits(ctx, q.broker, b.mark(), b.Charge, -b.Units); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	if b.Spending != nil {
		if err := q.spend.Charge(ctx, b.Spending, b.ID, b.At.Time, 1); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
	}
	var minutes []Usage
	for _, u := range r.Usage {
		if !u.Daily() {
			minutes = append(minutes, u)
		}
	}
	if err := each(len(minutes), func(i int) error {
		_, err := q.add(ctx, q.js, minutes[i].counter, b.Units, r.id+"."+minutes[i].Window)
		return err
	}); err != nil {
		return nil, err
	}
	// Charges through other processes may have come in between.
	if err := q.read(ctx, r.Usage); err != nil {
		return nil, err
	}
	for _, u := range r.Usage {
		if u.Used <= u.Limit {
			continue
		}
		undoing, cancel := settled(ctx)
		defer cancel()
		if err := errors.Join(r.cancel(undoing, minutes), ReverseBulk(undoing, q.broker, b)); err != nil {
			return nil, err
		}
		u.Used -= u.units
		return nil, &Refusal{Usage: u, Asked: u.units}
	}
	return r.Usage, nil
}

// ReverseBulk reverses the daily charge of a plan, and that to budgets, if it was made and is not reversed yet. It costs two reads and an
// atomic write for each of the two.
func ReverseBulk(ctx context.Context, b *broker.Broker, bulk *Bulk) error {
	return errors.Join(reverseCharge(ctx, b, bulk), reverseSpending(ctx, spend.New(b), bulk))
}

func reverseSpending(ctx context.Context, counters *spend.Counters, bulk *Bulk) error {
	if bulk.Spending == nil {
		return nil
	}
	charged, err := counters.Charged(ctx, bulk.ID, bulk.At.Time)
	if err != nil || !charged {
		return err
	}
	return counters.Charge(ctx, bulk.Spending, bulk.ID+"-reversed", bulk.At.Time, -1)
}

func reverseCharge(ctx context.Context, b *broker.Broker, bulk *Bulk) error {
	if bulk.Charge == nil {
		return nil
	}
	_, err := broker.LeaderLast(ctx, b.JetStream(), broker.StreamUsage, bulk.mark())
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("read mark of a charge: %w", err)
	}
	return refundUnits(ctx, b, bulk.reversalMark(), bulk.Charge, bulk.Units)
}
