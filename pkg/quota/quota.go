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
	broker        *broker.Broker
	js            jetstream.JetStream
	guest, member Limits
	now           func() time.Time
	turns         turns
}

// New returns a quota on a broker. now is time.Now when nil.
func New(b *broker.Broker, guest, member Limits, now func() time.Time) *Quota {
	if now == nil {
		now = time.Now
	}
	return &Quota{broker: b, js: b.JetStream(), guest: guest, member: member, now: now}
}

func (q *Quota) limits(lane job.Lane) Limits {
	if lane == job.LaneMember {
		return q.member
	}
	return q.guest
}

// Limited reports whether anything is limited on a lane.
func (q *Quota) Limited(lane job.Lane) bool { return q.limits(lane) != Limits{} }

// Bill is a charge that was made.
type Bill struct {
	// Usage is of each window that is limited, with the charge.
	Usage []Usage
	// Charge is what the job has to carry to be given back; nil when the day is not limited.
	Charge *job.Charge

	quota *Quota
	who   string
	units int
	id    string
}

// Charge takes units of somebody's quota for the job with the given id. It fails with a *Refusal, and with ErrUnavailable
// when a counter cannot be reached; nothing is taken then, unless NATS went away in between. It costs a read and one
// acknowledged publish for each window that is limited; a refusal costs reads, and takes back at once what it took.
func (q *Quota) Charge(ctx context.Context, lane job.Lane, who, id string, units int) (*Bill, error) {
	// Whoever repeats a submission under its key is charged, and given back, on its own.
	bill := &Bill{quota: q, who: who, units: units, id: id + "." + rand.Text()}
	for _, u := range q.limits(lane).windows(q.now()) {
		taken, err := bill.take(ctx, u)
		if err != nil {
			return nil, errors.Join(err, bill.Cancel(ctx))
		}
		bill.Usage = append(bill.Usage, taken)
		if u.Window == broker.UsageDay {
			bill.Charge = &job.Charge{Who: who, Day: u.bucket, Units: units}
		}
	}
	return bill, nil
}

// takeTries and takePause bound how often a charge is tried that others stood in the way of who were refused themselves.
const (
	takeTries = 3
	takePause = 5 * time.Millisecond
)

// take charges one window. It looks first: whoever asks for more than there is, however often, writes nothing. What several
// processes take at the same moment stands in the counter although it is refused, and may have others refused who ask for
// less; they look once more when it is gone.
func (b *Bill) take(ctx context.Context, u Usage) (Usage, error) {
	q, subject := b.quota, u.subject(b.who)
	for try := 1; ; try++ {
		used, err := q.value(ctx, u.Window, subject)
		if err != nil {
			return u, err
		}
		if used+int64(b.units) > int64(u.Limit) {
			u.Used = int(used)
			return u, &Refusal{Usage: u, Asked: b.units}
		}
		id := fmt.Sprintf("%s.%d", b.id, try)
		if used, err = q.add(ctx, u.Window, subject, b.units, id+".take"); err != nil {
			return u, err
		}
		if used <= int64(u.Limit) {
			u.Used = int(used)
			return u, nil
		}
		undoing, cancel := settled(ctx)
		used, err = q.add(undoing, u.Window, subject, -b.units, id+".undo")
		cancel()
		if err != nil {
			return u, err
		}
		if try == takeTries {
			u.Used = int(used)
			return u, &Refusal{Usage: u, Asked: b.units}
		}
		timer := time.NewTimer(takePause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return u, fmt.Errorf("%w: %w", ErrUnavailable, context.Cause(ctx))
		}
	}
}

// Cancel gives everything back, because no job was made. It works on a nil bill and when ctx has ended.
func (b *Bill) Cancel(ctx context.Context) error {
	if b == nil {
		return nil
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	var errs []error
	for _, u := range b.Usage {
		_, err := b.quota.add(ctx, u.Window, u.subject(b.who), -b.units, b.id+".cancel")
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Withdraw is Cancel for a job of which nobody knows whether it was made. Should it have been, it is its owner's for nothing
// and is not given back a second time when it fails.
func (b *Bill) Withdraw(ctx context.Context, spec *job.Spec) error {
	if b == nil {
		return nil
	}
	ctx, cancel := settled(ctx)
	defer cancel()
	var errs []error
	for _, u := range b.Usage {
		var err error
		if u.Window == broker.UsageDay {
			err = giveBack(ctx, b.quota.js, broker.RefundSubject(spec.ID, spec.CreatedAt.Time), b.Charge, b.units)
		} else {
			_, err = b.quota.add(ctx, u.Window, u.subject(b.who), -b.units, b.id+".cancel")
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// settled is the context of what has to be put right though its caller is gone.
func settled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
}
