package queue

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// PublishTimeout is how long a publish waits for its confirmation when its context has no deadline.
const PublishTimeout = 30 * time.Second

// timing is the intervals of a publish. Tests shorten them.
type timing struct {
	// poll is how often a publish checks the connection.
	poll time.Duration
	// resend is after how long without an answer the publish is sent again; it doubles with each time.
	resend time.Duration
	// away is after how long without a connection the publish is given up.
	away time.Duration
}

var defaultTiming = timing{poll: 500 * time.Millisecond, resend: 5 * time.Second, away: 10 * time.Second}

const (
	// maxSends bounds how often one publish is sent. A store that is merely slow has to handle every one of them.
	maxSends = 6
	// maxFailures is how many sends may fail outright, without a stream to take them among others.
	maxFailures = 2
)

// answer is the outcome of one send.
type answer struct {
	receipt Receipt
	err     error
}

// publish stores a job under the condition that it is not there, and waits until NATS confirms or ctx ends.
//
// A send that goes unanswered may be lost, with a connection or between two leaders of a cluster, or may wait in the queue of a
// slow store. So it is repeated, rarely, and every send is listened to: a slow store answers the first one first. The
// condition makes NATS refuse all but one of them while the job is in the queue.
func (q *Queue) publish(ctx context.Context, msg *nats.Msg, onlyIfNew jetstream.PublishOpt) (Receipt, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	answers := make(chan answer, maxSends)
	var sends, failures int
	var sent time.Time
	var reconnects uint64
	send := func() {
		sends++
		sent, reconnects = time.Now(), q.nc.Stats().Reconnects
		go func() {
			receipt, err := q.send(ctx, msg, onlyIfNew)
			answers <- answer{receipt, err}
		}()
	}
	send()
	poll := time.NewTimer(q.timing.poll)
	defer poll.Stop()
	resend, connected := q.timing.resend, time.Now()
	for {
		select {
		case a := <-answers:
			a.receipt.Repeated = sends > 1
			switch {
			case broker.Overloaded(a.err):
				// It was not stored, and is sent again after the usual interval.
			case !errors.Is(a.err, ErrUnavailable) || ctx.Err() != nil:
				return a.receipt, a.err
			default:
				if failures++; failures >= maxFailures || sends == maxSends {
					return a.receipt, a.err
				}
				send()
			}
		case <-ctx.Done():
			return Receipt{Repeated: sends > 1}, fmt.Errorf("%w: publish job: %w", ErrUnavailable, context.Cause(ctx))
		case <-poll.C:
			poll.Reset(q.timing.poll)
			if !q.nc.IsConnected() {
				if time.Since(connected) >= q.timing.away {
					return Receipt{Repeated: sends > 1}, fmt.Errorf("%w: publish job: not connected to NATS", ErrUnavailable)
				}
				continue
			}
			connected = time.Now()
			lost := q.nc.Stats().Reconnects != reconnects
			if sends < maxSends && (lost || time.Since(sent) >= resend) {
				if !lost {
					resend *= 2
				}
				send()
			}
		}
	}
}

// withDeadline returns ctx with a deadline, PublishTimeout from now when it has none.
func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, PublishTimeout)
}

// send publishes a job once and waits for the answer. It fails with ErrUnavailable when the outcome is unknown.
func (q *Queue) send(ctx context.Context, msg *nats.Msg, onlyIfNew jetstream.PublishOpt) (Receipt, error) {
	// The client adds its own headers, and several sends of a job may be in flight.
	own := &nats.Msg{Subject: msg.Subject, Data: msg.Data, Header: maps.Clone(msg.Header)}
	ack, err := q.js.PublishMsg(ctx, own, onlyIfNew)
	if err == nil {
		return Receipt{Sequence: ack.Sequence}, nil
	}
	switch {
	case broker.Conflict(err):
		return Receipt{AlreadyThere: true}, nil
	case broker.TooMany(err):
		return Receipt{}, ErrFull
	case broker.NoRoom(err):
		return Receipt{}, fmt.Errorf("%w: %w", ErrNoRoom, err)
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		q.triggerReconcile()
	}
	return Receipt{}, fmt.Errorf("%w: publish job: %w", ErrUnavailable, err)
}
