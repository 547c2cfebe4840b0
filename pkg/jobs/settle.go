package jobs

import (
	"context"
	"errors"
	"slices"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// Settlement is the end of a job. A worker sets all fields, and whoever ends a job from outside the first only.
type Settlement struct {
	// Record is how the job ends. Settle adds the Products to its result.
	Record *job.Record
	// Products are media that are not stored yet.
	Products []store.Product
	// Detail is what the upstream said, for the dead letter. Empty leaves a letter that is there as it is.
	Detail string
	// Remove takes the job's message out of the queue; nil looks for it there, and tells the worker that may have the job.
	Remove func(context.Context) error
	// Write performs the write of a step, with media of so many bytes, and may repeat it. It is called for each step but the
	// last; nil performs each write once.
	Write func(ctx context.Context, step Step, bytes int, write func(context.Context) error) error
	// Recorded is called once it is known which record holds, before the steps that follow; won says whether it is this
	// settlement's. It may be nil.
	Recorded func(final *job.Record, won bool)
}

// Settle ends a job: media, then the terminal record, of which the first holds, then what Finish does. It returns the record
// that holds; won says whether that is s.Record, and not one of somebody else who ended the job before. The job is counted
// and logged if so.
//
// Every step can be repeated, so that a crash between any two loses and doubles nothing: as long as the message is in the
// queue, somebody comes and takes the steps that are left.
//
// It fails with ErrNotFound, and leaves nothing behind, when the job was deleted meanwhile. When a step after the record
// fails, the record is returned together with the error.
func (l *Service) Settle(ctx context.Context, s Settlement) (final *job.Record, won bool, err error) {
	record, err := l.putMedia(ctx, &s)
	if err != nil {
		return nil, false, err
	}
	err = l.write(ctx, &s, StepRecord, 0, func(ctx context.Context) error {
		final, won, err = l.store.PutRecord(ctx, record)
		return err
	})
	if errors.Is(err, store.ErrDeleted) {
		// Nobody wants the job any more; nothing follows but to take it out of the queue.
		if err := l.remove(ctx, &s); err != nil {
			return nil, false, err
		}
		l.dropProgress(ctx, record.Spec)
		return nil, false, ErrNotFound
	}
	if err != nil {
		return nil, false, err
	}
	if s.Recorded != nil {
		s.Recorded(final, won)
	}
	if won {
		l.observe(ctx, final)
	} else {
		s.Detail = ""
	}
	s.Record = final
	return final, won, l.Finish(ctx, s)
}

// Finish takes the steps that follow a terminal record that is stored: the notice to the worker, the dead letter and the
// refund, the removal of the message from the queue and, last since nobody reads it any more, of the progress.
func (l *Service) Finish(ctx context.Context, s Settlement) error {
	if s.Remove == nil {
		err := l.write(ctx, &s, StepNotice, 0, func(context.Context) error { return l.queue.AnnounceCancel(s.Record.Spec.ID) })
		if err != nil {
			return err
		}
	}
	err := l.write(ctx, &s, StepFollowUp, 0, func(ctx context.Context) error { return l.followUp(ctx, s.Record, s.Detail) })
	if err != nil {
		return err
	}
	if err := l.remove(ctx, &s); err != nil {
		return err
	}
	l.dropProgress(ctx, s.Record.Spec)
	return l.passed(StepProgress)
}

// putMedia stores the products and returns the record with them.
func (l *Service) putMedia(ctx context.Context, s *Settlement) (*job.Record, error) {
	record, spec := *s.Record, s.Record.Spec
	size := 0
	for _, p := range s.Products {
		size += len(p.Data)
	}
	stored := make([]job.Media, len(s.Products))
	err := l.write(ctx, s, StepMedia, size, func(ctx context.Context) (err error) {
		for i, p := range s.Products {
			if stored[i], err = l.store.PutMedia(ctx, spec.Owner, spec.ID, p.Media, p.Data); err != nil {
				return err
			}
		}
		return nil
	})
	if len(stored) > 0 {
		result := job.Result{}
		if record.Result != nil {
			result = *record.Result
		}
		result.Media = slices.Concat(result.Media, stored)
		record.Result = &result
	}
	return &record, err
}

// write performs the write of a step.
func (l *Service) write(ctx context.Context, s *Settlement, step Step, bytes int, write func(context.Context) error) error {
	if s.Write != nil {
		return s.Write(ctx, step, bytes, write)
	}
	if err := write(ctx); err != nil {
		return err
	}
	return l.passed(step)
}

// followUp puts a failed job among the dead letters, and gives back to the quota what was charged for nothing.
func (l *Service) followUp(ctx context.Context, r *job.Record, detail string) error {
	if r.Status == job.StatusFailed {
		letter := &job.DeadLetter{
			Spec: r.Spec, Attempt: r.Attempt, FailedAt: r.FinishedAt, Error: r.Error, Detail: detail, Counts: r.Counts,
		}
		put := l.store.PutDeadLetter
		if detail == "" {
			put = l.store.AddDeadLetter
		}
		if err := put(ctx, letter); err != nil {
			return err
		}
	}
	return quota.Refund(ctx, l.js, r)
}

// remove takes a job out of the queue, if it is there.
func (l *Service) remove(ctx context.Context, s *Settlement) error {
	remove := s.Remove
	if remove == nil {
		remove = func(ctx context.Context) error { return l.unqueue(ctx, s.Record.Spec) }
	}
	return l.write(ctx, s, StepUnqueue, 0, remove)
}

// unqueue takes a job out of the queue, if it is there.
func (l *Service) unqueue(ctx context.Context, spec *job.Spec) error {
	entry, err := l.queue.FindLeader(ctx, spec.Owner, spec.ID)
	switch {
	case errors.Is(err, queue.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return l.queue.Delete(ctx, entry.Sequence)
}

// dropProgress removes the progress of a job that has ended. Every reader looks at the record first, and what cannot be
// removed expires.
func (l *Service) dropProgress(ctx context.Context, spec *job.Spec) {
	if err := l.store.DropProgress(ctx, spec.Owner, spec.ID); err != nil && l.log != nil {
		l.log.DebugContext(ctx, "cannot delete progress", "error", err)
	}
}

// observe counts and logs the end of a job.
func (l *Service) observe(ctx context.Context, r *job.Record) {
	reason := ""
	if r.Error != nil {
		reason = r.Error.Code
	}
	if l.log != nil {
		ctx = telemetry.WithJobID(ctx, r.Spec.ID)
		l.log.InfoContext(ctx, "job ended", "kind", string(r.Spec.Kind), "status", string(r.Status), "code", reason, "attempt", r.Attempt)
	}
	if l.metrics == nil {
		return
	}
	l.metrics.ObserveEnd(string(r.Spec.Kind), string(r.Status), reason, r.FinishedAt.Sub(r.Spec.CreatedAt.Time))
}
