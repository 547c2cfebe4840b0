package jobs

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const (
	// sweepGrace is how long after a deadline the sweeper waits for the worker that has the job, which knows more about it.
	sweepGrace = 500 * time.Millisecond
	// sweepBatch is how many jobs are ended before the lease is renewed, and sweepAtOnce how many of them concurrently.
	sweepBatch  = 256
	sweepAtOnce = 16
	// sweepTimeout bounds the time for ending one job.
	sweepTimeout = 10 * time.Second
	// retryAfter is when the sweeper retries jobs that it could not end.
	retryAfter = 5 * time.Second
)

// sweep reads new jobs from the queue and ends those past their deadline. It fails with errLost, or with the first error of a
// job; jobs that could not be ended are retried later.
func (s *Sweeper) sweep(ctx context.Context, t *deadlines) error {
	extent, err := s.jobs.queue.Extent(ctx)
	if err != nil {
		return err
	}
	// What was pushed before a stream was replaced is not in the new one.
	if pushed := s.jobs.pushed.take(); !t.fit(extent) {
		t.learn(pushed)
	}
	t.retryFailed(retryAfter)
	if err := s.read(ctx, t, extent.Last); err != nil {
		return err
	}
	for {
		if err := s.renew(ctx); err != nil {
			return err
		}
		jobs := t.take(s.jobs.now().Add(-sweepGrace), sweepBatch)
		if len(jobs) == 0 {
			return nil
		}
		if err := s.endAll(ctx, t, extent.First, jobs); err != nil {
			return err
		}
	}
}

// read reads jobs of the queue up to the sequence last; the next sweep continues where it ends. Where no other process submits jobs,
// this one knows those that it has submitted since the last sweep; any other was submitted without an answer, and is read in the next
// sweep. A long queue, such as after a start, is read by many sweeps, which leaves the CPU to workers and clients: each costs one request
// for up to 1,000 jobs, and more as long as all of them take less than s.reading.
func (s *Sweeper) read(ctx context.Context, t *deadlines, last uint64) error {
	to, alone := last, s.jobs.broker.Alone()
	if alone && t.end > 0 {
		to = min(to, t.end)
	}
	t.end = last
	for start := time.Now(); ; {
		from, until, found := t.unknown(to)
		if !found {
			return nil
		}
		if err := s.renew(ctx); err != nil {
			return err
		}
		next, more, err := s.jobs.queue.Scan(ctx, from, until, t.add)
		t.next = next
		switch {
		case err != nil:
			return err
		case more:
		case !alone:
			// A replica may be behind.
			return nil
		default:
			t.next = until + 1
		}
		if time.Since(start) >= s.reading {
			return nil
		}
	}
}

// endAll ends jobs, several concurrently. After an error it starts no more: NATS may be unavailable.
func (s *Sweeper) endAll(ctx context.Context, t *deadlines, first uint64, jobs []entry) error {
	type state int8
	const (
		waiting state = iota
		done
		failed
	)
	states := make([]state, len(jobs))
	var stopped atomic.Bool
	var group errgroup.Group
	group.SetLimit(sweepAtOnce)
	for i, d := range jobs {
		if d.sequence < first {
			// It has left the queue.
			states[i] = done
			continue
		}
		group.Go(func() error {
			if stopped.Load() {
				return nil
			}
			ended, err := s.end(ctx, d.sequence)
			switch {
			case err != nil:
				states[i] = failed
				stopped.Store(true)
			case ended:
				states[i] = done
			}
			return err
		})
	}
	err := group.Wait()
	for i, d := range jobs {
		switch states[i] {
		case done:
		case failed:
			t.fail(d)
		case waiting:
			t.putBack(d)
		}
	}
	return err
}

// end ends the job with a sequence if it is still in the queue. It reports false when the job is not late, because the clock
// was set back.
func (s *Sweeper) end(ctx context.Context, sequence uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	service := s.jobs
	entry, err := service.queue.At(ctx, sequence)
	switch {
	case errors.Is(err, queue.ErrNotFound):
		return true, nil
	case errors.Is(err, queue.ErrUnreadable):
		// A worker, or a newer program, handles it.
		return true, nil
	case err != nil:
		return false, err
	}
	ctx = telemetry.WithRequestID(telemetry.WithJobID(ctx, entry.Spec.ID), entry.Spec.RequestID)
	snap, err := service.read(ctx, entry.Spec.Owner, entry.Spec.ID, service.store.RecordLeader, service.store.ProgressLeader,
		func(context.Context, string, string) (*queue.Entry, error) { return entry, nil })
	switch {
	case errors.Is(err, job.ErrNewer):
		return true, nil
	case err != nil:
		return false, err
	case snap.Record != nil:
		// Its settlement was interrupted.
		return true, service.Finish(ctx, Settlement{Record: snap.Record})
	}
	return s.expire(ctx, snap)
}

// expire ends a late job, and counts it if this call ended it. It reports whether the job has ended.
func (s *Sweeper) expire(ctx context.Context, late *job.Snapshot) (bool, error) {
	snap, won, err := s.jobs.expire(ctx, late)
	if won {
		s.metrics.SweeperEnded.WithLabelValues(string(late.Spec.Kind)).Inc()
	}
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, job.ErrNewer):
		return true, nil
	case err != nil:
		return false, err
	}
	return snap.Record != nil, nil
}
