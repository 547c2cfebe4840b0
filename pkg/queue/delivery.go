package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Lane is the pull side of one kind and lane: a durable consumer that all workers share.
type Lane struct {
	Kind     job.Kind
	Name     job.Lane
	consumer jetstream.Consumer
	nc       *nats.Conn
}

// Lane opens the pull side of a kind and lane. It costs one request.
func (q *Queue) Lane(ctx context.Context, kind job.Kind, lane job.Lane) (*Lane, error) {
	consumer, err := q.js.Consumer(ctx, broker.StreamJobs, broker.ConsumerName(kind, lane))
	if err != nil {
		return nil, fmt.Errorf("open lane %s/%s: %w", kind, lane, err)
	}
	return &Lane{Kind: kind, Name: lane, consumer: consumer, nc: q.nc}, nil
}

// Take asks for one job and waits at most wait for it, or not at all when wait is 0. It returns nil when there was
// none. A job that was taken must be ended by Ack, Retry or HandBack, or be left to come back by itself.
func (l *Lane) Take(wait time.Duration) (*Delivery, error) {
	var batch jetstream.MessageBatch
	var err error
	if wait > 0 {
		batch, err = l.consumer.Fetch(1, jetstream.FetchMaxWait(wait))
	} else {
		batch, err = l.consumer.FetchNoWait(1)
	}
	if err != nil {
		return nil, fmt.Errorf("ask for a job: %w", err)
	}
	// The channel is read to its end, so that a job which arrives at the last moment is not lost to a redelivery.
	var d *Delivery
	for msg := range batch.Messages() {
		if d, err = l.delivery(msg); err != nil {
			return nil, err
		}
	}
	if err := batch.Error(); err != nil && d == nil && !errors.Is(err, nats.ErrTimeout) {
		return nil, fmt.Errorf("ask for a job: %w", err)
	}
	return d, nil
}

func (l *Lane) delivery(msg jetstream.Msg) (*Delivery, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, fmt.Errorf("read delivery: %w", err)
	}
	_, _, owner, id, _ := broker.ParseJobSubject(msg.Subject())
	d := &Delivery{
		Kind: l.Kind, Lane: l.Name, Owner: owner, ID: id, Count: meta.NumDelivered, Sequence: meta.Sequence.Stream,
		QueuedAt: meta.Timestamp, msg: msg, nc: l.nc,
	}
	d.Spec, d.Fault = job.DecodeSpec(msg.Data())
	return d, nil
}

// Delivery is a job in a worker's hand.
type Delivery struct {
	Kind  job.Kind
	Lane  job.Lane
	Owner string
	ID    string
	// Spec is nil when the message could not be read; Fault then says why, job.ErrNewer among others.
	Spec  *job.Spec
	Fault error
	// Count is how often the job was delivered, this time included. It may shrink when the broker crashes.
	Count    uint64
	Sequence uint64
	QueuedAt time.Time

	msg jetstream.Msg
	nc  *nats.Conn
}

// Beat tells the broker that the job is still being worked and waits for its answer. An answer proves that the
// connection stands, not that the job is still this worker's.
func (d *Delivery) Beat(ctx context.Context) error {
	if _, err := d.nc.RequestWithContext(ctx, d.msg.Reply(), []byte("+WPI")); err != nil {
		return fmt.Errorf("report job in progress: %w", err)
	}
	return nil
}

// Ack takes the job out of the queue for good and waits for the broker's confirmation.
func (d *Delivery) Ack(ctx context.Context) error {
	if err := d.msg.DoubleAck(ctx); err != nil {
		return fmt.Errorf("acknowledge job: %w", err)
	}
	return nil
}

// Retry gives the job back, to be delivered again after delay.
func (d *Delivery) Retry(delay time.Duration) error {
	if err := d.msg.NakWithDelay(delay); err != nil {
		return fmt.Errorf("give job back: %w", err)
	}
	return nil
}

// HandBack gives the job back at once, for another worker.
func (d *Delivery) HandBack() error {
	if err := d.msg.Nak(); err != nil {
		return fmt.Errorf("hand job back: %w", err)
	}
	return nil
}
