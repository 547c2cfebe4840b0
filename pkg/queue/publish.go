package queue

import (
	"context"
	"errors"
	"fmt"
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

// publish stores a job, on the condition in its headers that it is not in the queue, and waits until NATS acknowledges it or ctx ends.
//
// A send without an answer may be lost, with a connection or between two leaders of a cluster, or may be waiting in a slow store.
// It is therefore repeated a few times, and the first answer to any of the sends counts. The condition makes NATS refuse all but
// one of them while the job is in the queue.
func (q *Queue) publish(ctx context.Context, msg *nats.Msg) (Receipt, error) {
	ctx, cancel := withDeadline(ctx)
	defer cancel()
	sends, failures := 1, 0
	sent, reconnects := time.Now(), q.nc.Stats().Reconnects
	// The usual single send needs no goroutine.
	first, err := q.broker.Send(msg)
	if err != nil {
		a := q.answer(nil, err)
		return a.receipt, a.err
	}
	defer first.Forget()
	done := first.Done()
	var answers chan answer
	send := func() {
		if answers == nil {
			answers = make(chan answer, maxSends)
		}
		sends++
		sent, reconnects = time.Now(), q.nc.Stats().Reconnects
		go func() { answers <- q.answer(q.js.PublishMsg(ctx, msg)) }()
	}
	poll := time.NewTimer(q.timing.poll)
	defer poll.Stop()
	resend, connected := q.timing.resend, time.Now()
	for {
		var a answer
		select {
		case <-done:
			done = nil
			a = q.answer(first.Stored(ctx))
		case a = <-answers:
		case <-ctx.Done():
			return Receipt{Repeated: sends > 1}, fmt.Errorf("%w: publish job: %w", ErrUnavailable, context.Cause(ctx))
		case <-poll.C:
			poll.Reset(q.timing.poll)
			if !q.nc.IsConnected() {
				if q.nc.IsClosed() || time.Since(connected) >= q.timing.away {
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
			continue
		}
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
	}
}

// withDeadline returns ctx, or if that has no deadline a copy with one, PublishTimeout from now.
func withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, PublishTimeout)
}

// answer returns the outcome of one send. Its error is ErrUnavailable when the outcome is unknown.
func (q *Queue) answer(ack *jetstream.PubAck, err error) answer {
	switch {
	case err == nil:
		return answer{receipt: Receipt{Sequence: ack.Sequence}}
	case broker.Conflict(err):
		return answer{receipt: Receipt{AlreadyThere: true}}
	case broker.TooMany(err):
		return answer{err: ErrFull}
	case broker.NoRoom(err):
		return answer{err: fmt.Errorf("%w: %w", ErrNoRoom, err)}
	case errors.Is(err, jetstream.ErrNoStreamResponse):
		q.triggerReconcile()
	}
	return answer{err: fmt.Errorf("%w: publish job: %w", ErrUnavailable, err)}
}
