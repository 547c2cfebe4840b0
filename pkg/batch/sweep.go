package batch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	// sweepInterval is the pause between two sweeps.
	sweepInterval = 5 * time.Second
	// sweepGrace is how long a process may take for an acceptance or a cancel before the sweeper continues it. Both may do so at once
	// without harm.
	sweepGrace = 15 * time.Second
	// startGrace is sweepGrace for the first sweep of a process, whose predecessor was probably killed.
	startGrace = chargingWait
	// orphanAge is after what time jobs without a record are removed.
	orphanAge = 10 * time.Minute
	// sweepTimeout bounds the work on one batch.
	sweepTimeout = time.Minute
)

// Start starts the sweeper, until Stop: it completes or removes the batches whose acceptance or cancel was interrupted. Every process
// has one. It costs one request per interval while there are none.
func (s *Service) Start() {
	ctx := s.running
	s.done.Go(func() {
		for grace := startGrace; ; grace = sweepGrace {
			s.report(ctx, s.sweep(ctx, grace))
			if !lifecycle.Sleep(ctx, sweepInterval) {
				return
			}
		}
	})
}

// Stop stops the sweeper and what else runs in the background. It is safe before Start.
func (s *Service) Stop(context.Context) error {
	s.stop()
	s.done.Wait()
	return nil
}

// report logs when sweeps begin to fail and when they succeed again.
func (s *Service) report(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !s.failing:
		s.failing = true
		s.log.WarnContext(ctx, "cannot finish interrupted batches", slog.Any("error", err))
	case err == nil && s.failing:
		s.failing = false
		s.log.InfoContext(ctx, "interrupted batches are finished again")
	}
}

// sweep finishes every batch that has not been touched for the given time. If one fails, it continues with the others.
func (s *Service) sweep(ctx context.Context, grace time.Duration) error {
	info, err := s.stream.Info(ctx, jetstream.WithSubjectFilter(broker.UnfinishedBatchesSubject()))
	if err != nil {
		return fmt.Errorf("list unfinished batches: %w", err)
	}
	var errs []error
	swept := make(map[string]bool)
	for subject := range info.State.Subjects {
		owner, id, rest, ok := broker.ParseBatchSubject(subject)
		what, attempt, _ := strings.Cut(rest, ".")
		attempt, _, _ = strings.Cut(attempt, ".")
		key := owner + "." + id + "." + what + "." + attempt
		if !ok || swept[key] {
			continue
		}
		swept[key] = true
		bounded, cancel := context.WithTimeout(ctx, sweepTimeout)
		if attempt == "" {
			err = s.sweepCancel(bounded, owner, id, grace)
		} else {
			err = s.sweepJobs(bounded, owner, id, attempt, grace)
		}
		cancel()
		if err != nil && !errors.Is(err, kv.ErrConflict) && !errors.Is(err, kv.ErrNewer) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sweepJobs finishes the acceptance of a batch whose jobs are still stored.
func (s *Service) sweepJobs(ctx context.Context, owner, id, attempt string, grace time.Duration) error {
	e, err := s.records.Get(ctx, broker.BatchSubject(owner, id))
	if errors.Is(err, kv.ErrNotFound) || (err == nil && e.Value.attempt() != attempt) {
		return s.sweepOrphan(ctx, owner, id, attempt)
	}
	if err != nil {
		return err
	}
	r := &e.Value
	switch {
	case r.State == StateAccepted:
		return s.removeJobs(ctx, owner, id, attempt)
	case s.now().Sub(r.CreatedAt.Time) < grace:
		return nil
	case r.State == StateAccepting:
		_, err = s.complete(ctx, owner, e)
		return err
	}
	return s.abandon(ctx, owner, e)
}

// sweepOrphan removes the jobs of an acceptance that has no record and that nobody continues.
func (s *Service) sweepOrphan(ctx context.Context, owner, id, attempt string) error {
	msg, err := broker.LeaderLast(ctx, s.broker.JetStream(), broker.BatchesStream, broker.AllBatchJobsSubject(owner, id, attempt))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("read jobs without a batch: %w", err)
	case s.now().Sub(msg.Time) < orphanAge:
		return nil
	}
	return s.removeJobs(ctx, owner, id, attempt)
}

// sweepCancel continues a cancel.
func (s *Service) sweepCancel(ctx context.Context, owner, id string, grace time.Duration) error {
	m, err := s.marks.Get(ctx, broker.BatchCancelSubject(owner, id))
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return nil
	case err != nil:
		return err
	case s.now().Sub(m.Value.At.Time) < grace:
		return nil
	}
	b, err := s.Get(ctx, []string{owner}, id)
	switch {
	case errors.Is(err, ErrNotFound), err == nil && b.CanceledAt == nil:
		return s.marks.PurgeRevision(ctx, broker.BatchCancelSubject(owner, id), m.Revision)
	case err != nil:
		return err
	}
	return s.finishCancel(ctx, b)
}
