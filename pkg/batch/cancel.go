package batch

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Cancel cancels all jobs of a batch of one of the owners that have not ended, and returns the batch. Once this is stored, it is done
// even if the process dies. Canceling again is no error, and a batch whose jobs have all ended stays as it is. It fails with ErrNotFound.
// If ctx ends before all jobs are canceled, it returns the batch, and this process continues; if some cannot be canceled now, the sweeper
// does it later. It costs as much as two calls of Jobs and a cancel of each job, which concurrent calls in this process share.
func (s *Service) Cancel(ctx context.Context, owners []string, id string) (*Batch, error) {
	b, err := s.markCanceled(ctx, owners, id)
	if err != nil || b.CanceledAt == nil {
		return b, err
	}
	done := make(chan struct{})
	s.done.Go(func() {
		defer close(done)
		running, cancel := context.WithTimeout(s.running, sweepTimeout)
		defer cancel()
		continued := *b
		if err := s.finishCancel(running, &continued); err != nil && s.running.Err() == nil {
			s.log.WarnContext(ctx, "some jobs of a canceled batch are canceled later", slog.String("batch", id), slog.Any("error", err))
		}
	})
	select {
	case <-done:
	case <-ctx.Done():
	}
	return b, nil
}

// markCanceled stores that a batch is canceled, unless its jobs have all ended. Its jobs are canceled afterwards.
func (s *Service) markCanceled(ctx context.Context, owners []string, id string) (*Batch, error) {
	b, err := s.Get(ctx, owners, id)
	if err != nil || b.CanceledAt != nil {
		return b, err
	}
	if ended, err := s.ended(ctx, b); err != nil || ended {
		return b, err
	}
	// Without the mark nobody would continue. A mark of a batch that is not canceled means nothing.
	if _, err := s.marks.Put(ctx, broker.BatchCancelSubject(b.Owner, id), mark{job.Version, job.At(s.now())}); err != nil {
		return nil, err
	}
	e, err := s.records.Change(ctx, broker.BatchSubject(b.Owner, id), func(e *kv.Entry[Record]) error {
		switch {
		case !e.Exists:
			return ErrNotFound
		case e.Value.CanceledAt != nil:
			return kv.ErrUnchanged
		}
		e.Value.CanceledAt = job.AtPtr(s.now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.Record = e.Value
	return b, nil
}

// ended reports whether all jobs of a batch have ended.
func (s *Service) ended(ctx context.Context, b *Batch) (bool, error) {
	if b.State != StateAccepted {
		return false, nil
	}
	found, err := s.Jobs(ctx, b)
	if err != nil {
		return false, err
	}
	for _, snap := range found {
		if snap.Record == nil {
			return false, nil
		}
	}
	return true, nil
}

// finishCancel cancels the jobs of a canceled batch and removes its mark. It joins a call for the same batch that is under way in this
// process.
func (s *Service) finishCancel(ctx context.Context, b *Batch) error {
	_, err, _ := s.cancels.Do(b.Owner+"/"+b.ID, func() (any, error) { return nil, s.cancelJobs(ctx, b) })
	return err
}

// cancelJobs is finishCancel for one caller. The last jobs are canceled first, since the first are the next to run.
func (s *Service) cancelJobs(ctx context.Context, b *Batch) error {
	if err := s.passed(stepCanceled); err != nil {
		return err
	}
	if b.State == StateAccepting {
		record, err := s.complete(ctx, b.Owner, kv.Entry[Record]{Key: broker.BatchSubject(b.Owner, b.ID), Value: b.Record})
		if err != nil {
			return err
		}
		b.Record = record
	}
	found, err := s.Jobs(ctx, b)
	if err != nil {
		return err
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, id := range slices.Backward(b.JobIDs()) {
		if snap := found[id]; snap == nil || snap.Record != nil {
			continue
		}
		group.Go(func() error {
			_, err := s.jobs.Cancel(groupCtx, []string{b.Owner}, id)
			if errors.Is(err, jobs.ErrFinished) || errors.Is(err, jobs.ErrNotFound) {
				err = nil
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return s.marks.Purge(ctx, broker.BatchCancelSubject(b.Owner, b.ID))
}
