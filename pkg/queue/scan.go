package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// ErrUnreadable is returned for a job whose message cannot be decoded; job.ErrNewer may be the reason.
var ErrUnreadable = errors.New("the message cannot be decoded")

// Extent is the range of sequences in the queue.
type Extent struct {
	// Created is when the stream was created. A stream that was lost and recreated has another time and starts again at sequence 1.
	Created time.Time
	// First is the sequence of the oldest job, and Last that of the newest, even if it has left the queue.
	First, Last uint64
	// Jobs is the number of jobs.
	Jobs int
}

// Extent returns the range of sequences in the queue. It costs one request to the leader of the stream.
func (q *Queue) Extent(ctx context.Context) (Extent, error) {
	info, err := q.stream.Info(ctx)
	if err != nil {
		return Extent{}, fmt.Errorf("read extent of queue: %w", err)
	}
	s := info.State
	return Extent{Created: info.Created, First: s.FirstSeq, Last: s.LastSeq, Jobs: int(min(s.Msgs, 1<<30))}, nil
}

const (
	// scanJobs and scanBytes bound one scan.
	scanJobs  = 1000
	scanBytes = 4 << 20
)

// Scan calls f with the sequence and deadline of up to 1,000 jobs, in order, from one sequence to another, both included. It returns the
// sequence at which the next scan continues and whether there are more jobs. It skips messages that cannot be decoded. It costs one
// request to any replica; a replica that is behind only makes the next scan longer.
func (q *Queue) Scan(ctx context.Context, from, to uint64, f func(sequence uint64, deadline time.Time)) (next uint64, more bool, err error) {
	ctx, cancel := broker.Bounded(ctx)
	defer cancel()
	next = max(from, 1)
	if next > to {
		return next, false, nil
	}
	messages, err := jetstreamext.GetBatch(ctx, q.js, broker.StreamJobs, int(min(scanJobs, to-next+1)),
		jetstreamext.GetBatchSeq(next), jetstreamext.GetBatchMaxBytes(scanBytes))
	if err != nil {
		return next, false, fmt.Errorf("scan queue: %w", err)
	}
	for msg, err := range messages {
		switch {
		case errors.Is(err, jetstreamext.ErrNoMessages):
			return next, false, nil
		case err != nil:
			return next, false, fmt.Errorf("scan queue: %w", err)
		case msg.Sequence > to:
			return next, false, nil
		}
		next = msg.Sequence + 1
		more = next <= to && msg.Header.Get("Nats-Num-Pending") != "0"
		if deadline, err := job.DecodeDeadline(msg.Data); err == nil {
			f(msg.Sequence, deadline.Time)
		}
	}
	// The iteration ends without an error when ctx ends.
	if err := ctx.Err(); err != nil {
		return next, false, fmt.Errorf("scan queue: %w", err)
	}
	return next, more, nil
}

// At returns the job with a sequence, read from the leader of the stream. It fails with ErrNotFound and ErrUnreadable and costs
// one request.
func (q *Queue) At(ctx context.Context, sequence uint64) (*Entry, error) {
	msg, err := broker.LeaderMessage(ctx, q.js, broker.StreamJobs, sequence)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("read job: %w", err)
	}
	spec, err := job.DecodeSpec(msg.Data)
	if err != nil {
		return nil, fmt.Errorf("read job: %w: %w", ErrUnreadable, err)
	}
	return &Entry{Spec: spec, Sequence: sequence}, nil
}
