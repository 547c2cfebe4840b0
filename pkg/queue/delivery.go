package queue

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Lane is the durable consumer of one kind and lane, which workers share.
type Lane struct {
	Kind job.Kind
	Name job.Lane
	// consumer is the consumer's name, and subject where it takes pulls.
	consumer, subject string
}

// Lane returns the consumer of a kind and lane. It costs one request.
func (q *Queue) Lane(ctx context.Context, kind job.Kind, lane job.Lane) (*Lane, error) {
	name := broker.ConsumerName(kind, lane)
	if _, err := q.js.Consumer(ctx, broker.StreamJobs, name); err != nil {
		return nil, fmt.Errorf("open lane %s/%s: %w", kind, lane, err)
	}
	return &Lane{Kind: kind, Name: lane, consumer: name, subject: broker.PullSubject(name)}, nil
}

// Delivery is a job delivered to a worker.
type Delivery struct {
	Kind  job.Kind
	Lane  job.Lane
	Owner string
	ID    string
	// Spec is set by Decode. It is nil when the message could not be decoded; Fault is then the error, for example job.ErrNewer.
	Spec  *job.Spec
	Fault error
	// Count is how often the job was delivered, including this time. It may decrease when the broker crashes.
	Count    uint64
	Sequence uint64
	QueuedAt time.Time
	// Pending is how many jobs of the lane were waiting for their first delivery behind this one.
	Pending uint64
	// Header holds the headers of the publish, nil if there are none. They are the same in every delivery.
	Header map[string][]string

	data  []byte
	reply string
	nc    *nats.Conn
}

// Decode decodes the job. Receive leaves this to the goroutine that runs the job. It does nothing for a nil delivery.
func (d *Delivery) Decode() {
	if d != nil {
		d.Spec, d.Fault = job.DecodeSpec(d.data)
		d.data = nil
	}
}

// The acknowledgements of the JetStream protocol.
const (
	payloadAck        = "+ACK"
	payloadInProgress = "+WPI"
	payloadNak        = "-NAK"
)

// InProgress extends the lease of the job and waits for the answer. An answer proves that the connection works, not that this
// worker still has the lease.
func (d *Delivery) InProgress(ctx context.Context) error {
	if _, err := d.nc.RequestWithContext(ctx, d.reply, []byte(payloadInProgress)); err != nil {
		return fmt.Errorf("extend lease of job: %w", err)
	}
	return nil
}

// Ack removes the job from the queue and waits for the answer.
func (d *Delivery) Ack(ctx context.Context) error {
	if _, err := d.nc.RequestWithContext(ctx, d.reply, []byte(payloadAck)); err != nil {
		return fmt.Errorf("acknowledge job: %w", err)
	}
	return nil
}

// NakWithDelay returns the job to the queue, to be delivered again after delay.
func (d *Delivery) NakWithDelay(delay time.Duration) error {
	payload := payloadNak + ` {"delay":` + strconv.FormatInt(max(0, delay.Nanoseconds()), 10) + `}`
	if err := d.nc.Publish(d.reply, []byte(payload)); err != nil {
		return fmt.Errorf("return job with delay: %w", err)
	}
	return nil
}

// Nak returns the job to the queue, to be delivered again at once.
func (d *Delivery) Nak() error {
	if err := d.nc.Publish(d.reply, []byte(payloadNak)); err != nil {
		return fmt.Errorf("return job: %w", err)
	}
	return nil
}
