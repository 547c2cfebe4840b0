package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Cancel cancels all jobs of a batch of one of the owners that have not ended, and returns the batch. Once this is stored, it is done
// even if the process dies. Canceling again is no error, and a batch whose jobs have all ended stays as it is. It fails with ErrNotFound.
// If ctx ends before all jobs are canceled, it returns the batch nevertheless, and this process continues. It costs as much as two calls
// of Jobs and a cancel of each job.
func (s *Service) Cancel(ctx context.Context, owners []string, id string) (*Batch, error) {
	b, err := s.markCanceled(ctx, owners, id)
	if err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	s.done.Go(func() {
		ctx, cancel := context.WithTimeout(s.running, sweepTimeout)
		defer cancel()
		continued := *b
		done <- s.finishCancel(ctx, &continued)
	})
	select {
	case err := <-done:
		return b, err
	case <-ctx.Done():
		return b, fmt.Errorf("cancel the jobs of a batch: %w", context.Cause(ctx))
	}
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

// finishCancel cancels the jobs of a canceled batch, the last first, since the first are the next to run, and removes its mark.
func (s *Service) finishCancel(ctx context.Context, b *Batch) error {
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
