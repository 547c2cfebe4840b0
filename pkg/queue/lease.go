package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// ErrLeased is returned for a lease that somebody else has.
var ErrLeased = errors.New("somebody else has the lease")

// lease is the right of one process to do something until a moment.
type lease struct {
	V     int      `json:"v"`
	Until job.Time `json:"until"`
	// Next is when it is worth asking again, should the lease be given up before its end.
	Next job.Time `json:"next"`
}

// lingering is when to ask again while a lease is held for longer than was thought: its end is not known.
const lingering = 5 * time.Second

// contended is when to ask again after somebody else was faster.
const contended = time.Second

// Lease takes the right that goes by a name for as long as hold, and tells others to ask again after next. It fails with
// ErrLeased, and says after how long to ask again, when another process has it. It costs two requests. The clocks of
// all processes are taken to agree within a second or so.
func (q *Queue) Lease(ctx context.Context, name string, hold, next time.Duration) (revision uint64, again time.Duration, err error) {
	subject := broker.LeaseSubject(name)
	var last uint64
	msg, err := broker.LeaderLast(ctx, q.js, broker.ControlStream, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
	case err != nil:
		return 0, 0, fmt.Errorf("look for lease: %w", err)
	default:
		last = msg.Sequence
		var l lease
		// What cannot be read, the mark of an expired lease among others, holds nobody back.
		if json.Unmarshal(msg.Data, &l) == nil {
			if rest := time.Until(l.Until.Time); rest > 0 {
				return 0, min(rest, max(time.Until(l.Next.Time), lingering)), ErrLeased
			}
		}
	}
	now := time.Now()
	return q.putLease(ctx, subject, now.Add(hold), now.Add(next), last)
}

// Renew takes a lease with the given revision anew, for as long as hold, and returns its new revision. It fails with
// ErrLeased when the lease has passed to somebody else, and when an earlier renewal was stored whose answer was lost. It
// costs one request.
func (q *Queue) Renew(ctx context.Context, name string, revision uint64, hold, next time.Duration) (uint64, error) {
	now := time.Now()
	renewed, _, err := q.putLease(ctx, broker.LeaseSubject(name), now.Add(hold), now.Add(next), revision)
	return renewed, err
}

// Shorten lets a lease with the given revision end at another moment. That it has passed to somebody else meanwhile is
// no error.
func (q *Queue) Shorten(ctx context.Context, name string, revision uint64, until time.Time) error {
	_, _, err := q.putLease(ctx, broker.LeaseSubject(name), until, until, revision)
	if errors.Is(err, ErrLeased) {
		return nil
	}
	return err
}

func (q *Queue) putLease(ctx context.Context, subject string, until, next time.Time, last uint64) (uint64, time.Duration, error) {
	data, err := json.Marshal(lease{V: job.Version, Until: job.At(until), Next: job.At(next)})
	if err != nil {
		return 0, 0, fmt.Errorf("encode lease: %w", err)
	}
	// The message may go a while after the lease has ended.
	ttl := max(time.Until(until), 0).Truncate(time.Second) + time.Minute
	ack, err := q.js.Publish(ctx, subject, data, jetstream.WithExpectLastSequencePerSubject(last), jetstream.WithMsgTTL(ttl))
	if err == nil {
		return ack.Sequence, 0, nil
	}
	if broker.Conflict(err) {
		return 0, contended, ErrLeased
	}
	return 0, 0, fmt.Errorf("take lease: %w", err)
}
