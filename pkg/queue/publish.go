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

// PublishTimeout is how long a publish waits for its acknowledgement when its context has no deadline.
const PublishTimeout = 30 * time.Second

// timing holds the intervals of a publish. Tests shorten them.
type timing struct {
	// poll is how often a publish checks the connection.
	poll time.Duration
	// resend is how long a publish waits for an answer before it is sent again; it doubles each time.
	resend time.Duration
	// away is how long a publish waits for a connection before it fails.
	away time.Duration
}

var defaultTiming = timing{poll: 500 * time.Millisecond, resend: 5 * time.Second, away: 10 * time.Second}

const (
	// maxSends bounds how often one publish is sent. A store that is only slow has to handle all of them.
	maxSends = 6
	// maxFailures is how many sends may fail with an error, such as that no stream listens.
	maxFailures = 2
)

// answer is the outcome of one send.
type answer struct {
	receipt Receipt
	err     error
}

// publish stores a job on the condition that it is not in the queue, and waits until NATS acknowledges it or ctx ends.
//
// A send without an answer may be lost, with a connection or between two leaders of a cluster, or may be waiting in a slow store.
// It is therefore repeated a few times, and the first answer to any of the sends counts. The condition makes NATS refuse all but
// one of them while the job is in the queue.
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
			case broker.Overloaded(a.err), errors.Is(a.err, nats.ErrDisconnected):
				// It was not stored, and is sent again after the resend interval; or nobody knows, and it is when the connection is back.
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

// withDeadline returns a copy of ctx with a deadline, PublishTimeout from now if ctx has none.
func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, PublishTimeout)
}

// send publishes a job once and waits for the acknowledgement. It fails with ErrUnavailable when the outcome is unknown.
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
