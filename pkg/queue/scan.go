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
	// Created is when the stream was created. One that was lost and created anew has another time, and numbers its jobs from 1 again.
	Created time.Time
	// First is the sequence of the oldest job, and Last that of the newest job there has been.
	First, Last uint64
	// Jobs is how many there are.
	Jobs int
}

// Extent returns the range of sequences in the queue. It costs one request to the stream's leader.
func (q *Queue) Extent(ctx context.Context) (Extent, error) {
	info, err := q.stream.Info(ctx)
	if err != nil {
		return Extent{}, fmt.Errorf("read extent of queue: %w", err)
	}
	s := info.State
	return Extent{Created: info.Created, First: s.FirstSeq, Last: s.LastSeq, Jobs: int(min(s.Msgs, 1<<30))}, nil
}

const (
	// scanJobs and scanBytes bound one part of a scan.
	scanJobs  = 500
	scanBytes = 4 << 20
)

// Scan calls take with the sequence and the deadline of each job from a sequence on, in their order, and returns where the next
// scan continues. It reads up to 500 jobs and reports whether there are more. A message that cannot be decoded is skipped. It
// costs one request, which any replica may answer; one that is behind only makes the next scan longer.
func (q *Queue) Scan(ctx context.Context, from uint64, take func(sequence uint64, deadline time.Time)) (next uint64, more bool, err error) {
	ctx, cancel := broker.Bounded(ctx)
	defer cancel()
	next = max(from, 1)
	messages, err := jetstreamext.GetBatch(ctx, q.js, broker.StreamJobs, scanJobs,
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
		}
		next = msg.Sequence + 1
		more = msg.Header.Get("Nats-Num-Pending") != "0"
		if deadline, err := job.DecodeDeadline(msg.Data); err == nil {
			take(msg.Sequence, deadline.Time)
		}
	}
	// The messages end without an error when the time is up.
	if err := ctx.Err(); err != nil {
		return next, false, fmt.Errorf("scan queue: %w", err)
	}
	return next, more, nil
}

// At returns the job with a sequence from the stream's leader. It fails with ErrNotFound and with ErrUnreadable, and
// costs one request.
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
