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
	// grace is how long past a deadline the sweeper leaves a job to the worker that has it, which knows more about it.
	grace = 500 * time.Millisecond
	// sweepBatch is how many jobs are ended before the lease is looked at, and sweepAtOnce how many of them at a time.
	sweepBatch  = 256
	sweepAtOnce = 16
	// sweepTimeout bounds the ending of one job.
	sweepTimeout = 10 * time.Second
	// sweepRest is how long a job that could not be ended is left alone.
	sweepRest = 5 * time.Second
)

// sweep reads what is new in the queue and ends what is past its deadline. It fails with errLost, and with the first
// error that it met; what could not be ended is tried again.
func (s *Sweeper) sweep(ctx context.Context, t *timetable) error {
	extent, err := s.jobs.queue.Extent(ctx)
	if err != nil {
		return err
	}
	t.fit(extent)
	t.forgive(sweepRest)
	for more := extent.Last >= t.next; more; {
		if err := s.keep(ctx); err != nil {
			return err
		}
		if t.next, more, err = s.jobs.queue.Scan(ctx, t.next, t.add); err != nil {
			return err
		}
	}
	for {
		if err := s.keep(ctx); err != nil {
			return err
		}
		jobs := t.take(s.jobs.now().Add(-grace), sweepBatch)
		if len(jobs) == 0 {
			return nil
		}
		if err := s.endAll(ctx, t, extent.First, jobs); err != nil {
			return err
		}
	}
}

// endAll ends jobs, several at a time. After an error no further one is begun: NATS may be away.
func (s *Sweeper) endAll(ctx context.Context, t *timetable, first uint64, jobs []due) error {
	type state int8
	const (
		waits state = iota
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
		case waits:
			t.putBack(d)
		}
	}
	return err
}

// end ends the job with a sequence, if it is still in the queue. It reports false when the job is not late after all,
// because the clock was set back.
func (s *Sweeper) end(ctx context.Context, sequence uint64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	l := s.jobs
	entry, err := l.queue.At(ctx, sequence)
	switch {
	case errors.Is(err, queue.ErrNotFound):
		return true, nil
	case errors.Is(err, queue.ErrUnreadable):
		// It is for a worker, or for a newer program.
		return true, nil
	case err != nil:
		return false, err
	}
	ctx = telemetry.WithRequestID(telemetry.WithJobID(ctx, entry.Spec.ID), entry.Spec.RequestID)
	snap, err := l.read(ctx, entry.Spec.Owner, entry.Spec.ID, l.store.RecordLeader, l.store.ProgressLeader,
		func(context.Context, string, string) (*queue.Entry, error) { return entry, nil })
	switch {
	case errors.Is(err, job.ErrNewer):
		return true, nil
	case err != nil:
		return false, err
	case snap.Record != nil:
		// Whoever ended it did not come to take it out of the queue.
		return true, l.Finish(ctx, Settlement{Record: snap.Record})
	}
	return s.expire(ctx, snap)
}

// expire ends a job that is late, and counts and tells it if nobody else has.
func (s *Sweeper) expire(ctx context.Context, late *job.Snapshot) (bool, error) {
	snap, won, err := s.jobs.expireFirst(ctx, late)
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
