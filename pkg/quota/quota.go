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
// when a counter cannot be reached; nothing is taken then, unless NATS went away in between. It costs one acknowledged
// publish for each window that is limited, and takes back at once what is refused.
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

// takeTries bounds how often a charge is tried that others stood in the way of who were refused themselves.
const takeTries = 3

// take charges one window. What is refused stands in the counter for a moment and may have others refused who ask for
// less; they look once more when it is gone.
func (b *Bill) take(ctx context.Context, u Usage) (Usage, error) {
	for try := 1; ; try++ {
		id := fmt.Sprintf("%s.%d", b.id, try)
		used, err := b.quota.add(ctx, u.Window, u.subject(b.who), b.units, id+".take")
		if err != nil {
			return u, err
		}
		if used <= int64(u.Limit) {
			u.Used = int(used)
			return u, nil
		}
		ctx, cancel := settled(ctx)
		used, err = b.quota.add(ctx, u.Window, u.subject(b.who), -b.units, id+".undo")
		cancel()
		if err != nil {
			return u, err
		}
		if try == takeTries || used+int64(b.units) > int64(u.Limit) {
			u.Used = int(used)
			return u, &Refusal{Usage: u, Asked: b.units}
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

// settled is the context of what has to be put right though its caller is gone.
func settled(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), addTries*addTimeout)
}
