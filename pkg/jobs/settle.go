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
	"github.com/text2image-audio/text2image-audio/pkg/webhook"
)

// Settlement describes how to end a job. A worker sets all fields; to end a job from outside, only Record is set.
type Settlement struct {
	// Record is the terminal record. Settle adds the Products to its result.
	Record *job.Record
	// Products are media that are not stored yet.
	Products []store.Product
	// CopyOf, unless empty, is the id of the job of the same owner from which the media of the record are copied.
	CopyOf string
	// Detail is the response of the upstream, for the dead letter. If it is empty, an existing dead letter is kept.
	Detail string
	// Remove removes the job's message from the queue. If nil, Settle looks the message up and notifies the worker that may
	// have the job.
	Remove func(context.Context) error
	// Write performs the write of each step but the last, and may repeat it; bytes is the size of the media it stores. If nil,
	// each write is performed once.
	Write func(ctx context.Context, step Step, bytes int, write func(context.Context) error) error

	// Server is what broker.GroupCommitServer returned before the media of the result were stored. If it returns something else now, Settle
	// checks that they are still stored.
	Server string

	// NoProgress reports that no progress of the job is stored, so that none has to be removed.
	NoProgress bool

	// fresh reports that this process has just stored the record, so that no step after it was taken yet.
	fresh bool
}

// Settle ends a job: it stores the media, then the terminal record, of which the first is final, and then calls Finish. It
// returns the final record; won reports whether that is st.Record and not one that was stored before. Only then is the end
// of the job counted and logged.
//
// Every step can be repeated, so that a crash between any two loses and duplicates nothing: as long as the message is in the
// queue, the remaining steps are taken by a worker or the sweeper.
//
// It fails with ErrNotFound, and stores nothing, when the job was deleted meanwhile, and with store.ErrGone when the media to copy, or
// those of the result, are no longer stored. When a step after the record fails, the record is returned together with the error.
func (s *Service) Settle(ctx context.Context, st Settlement) (final *job.Record, won bool, err error) {
	for restarted := true; restarted && err == nil; {
		final, won, restarted, err = s.storeEnd(ctx, &st)
	}
	if errors.Is(err, store.ErrDeleted) {
		// Only the message is left to remove.
		if err := s.remove(ctx, &st); err != nil {
			return nil, false, err
		}
		s.dropProgress(ctx, &st)
		return nil, false, ErrNotFound
	}
	if err != nil {
		return nil, false, err
	}
	if won {
		s.observe(ctx, final)
	} else {
		st.Detail = ""
	}
	st.Record, st.fresh = final, won
	return final, won, s.Finish(ctx, st)
}

// GroupCommitServer is broker.GroupCommitServer, for a Settlement. It costs no request.
func (s *Service) GroupCommitServer() string { return s.broker.GroupCommitServer() }

// Finish takes the steps that follow a stored terminal record: it notifies the worker, stores the dead letter, publishes the
// event to the webhook, refunds the quota, counts the cost, and removes the message from the queue and then the progress, which is no longer read.
func (s *Service) Finish(ctx context.Context, st Settlement) error {
	if st.Remove == nil {
		err := s.write(ctx, &st, StepNotice, 0, func(context.Context) error { return s.queue.AnnounceCancel(st.Record.Spec.ID) })
		if err != nil {
			return err
		}
	}
	err := s.write(ctx, &st, StepFollowUp, 0, func(ctx context.Context) error {
		fresh := st.fresh
		st.fresh = false // A repetition may follow a write whose outcome is unknown.
		return s.followUp(ctx, st.Record, st.Detail, fresh)
	})
	if err != nil {
		return err
	}
	if err := s.remove(ctx, &st); err != nil {
		return err
	}
	s.dropProgress(ctx, &st)
	return s.stepDone(StepProgress)
}

// storeEnd stores the media and then the record. It reports restarted instead of storing the record when the server that has acknowledged
// the media was restarted meanwhile: a power failure may have lost them, and the record would be on disk without them.
func (s *Service) storeEnd(ctx context.Context, st *Settlement) (final *job.Record, won, restarted bool, err error) {
	server := s.broker.GroupCommitServer()
	if server != "" && server != st.Server {
		if err := s.checkMedia(ctx, st); err != nil {
			return nil, false, false, err
		}
		st.Server = server
	}
	record, err := s.putMedia(ctx, st)
	if err != nil {
		return nil, false, false, err
	}
	err = s.write(ctx, st, StepRecord, 0, func(ctx context.Context) (err error) {
		if restarted = s.broker.GroupCommitServer() != server; restarted {
			return nil
		}
		final, won, err = s.store.PutRecord(ctx, record)
		return err
	})
	return final, won, restarted, err
}

// checkMedia fails with store.ErrGone if media of the result that putMedia does not store are not stored.
func (s *Service) checkMedia(ctx context.Context, st *Settlement) error {
	r := st.Record
	if r.Result == nil || st.CopyOf != "" {
		return nil
	}
	for _, m := range r.Result.Media {
		if err := s.store.CheckMedia(ctx, r.Spec.Owner, r.Spec.ID, m); err != nil {
			return err
		}
	}
	return nil
}

// putMedia stores the products and returns a copy of the record that includes them.
func (s *Service) putMedia(ctx context.Context, st *Settlement) (*job.Record, error) {
	if st.CopyOf != "" {
		return s.copyMedia(ctx, st)
	}
	record, spec := *st.Record, st.Record.Spec
	size := 0
	for _, p := range st.Products {
		size += len(p.Data)
	}
	put := s.store.PutMedia
	if len(st.Products) == 1 && (record.Result == nil || len(record.Result.Media) == 0) {
		put = s.store.PutOnlyMedia
	}
	stored := make([]job.Media, len(st.Products))
	err := s.write(ctx, st, StepMedia, size, func(ctx context.Context) (err error) {
		for i, p := range st.Products {
			if stored[i], err = put(ctx, spec.Owner, spec.ID, p.Media, p.Data); err != nil {
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

// write performs the write of a step, by st.Write if that is set.
func (s *Service) write(ctx context.Context, st *Settlement, step Step, bytes int, write func(context.Context) error) error {
	if st.Write != nil {
		return st.Write(ctx, step, bytes, write)
	}
	if err := write(ctx); err != nil {
		return err
	}
	return s.stepDone(step)
}

// followUp stores the dead letter of a failed job, publishes the event of the end to the job's webhook, refunds the quota, and counts the
// cost. fresh reports that no other process can have done so more than a minute ago.
func (s *Service) followUp(ctx context.Context, r *job.Record, detail string, fresh bool) error {
	if r.Status == job.StatusFailed {
		letter := &job.DeadLetter{
			Spec: r.Spec, Attempt: r.Attempt, FailedAt: r.FinishedAt, Error: r.Error, Detail: detail, Counts: r.Counts,
		}
		put := s.store.PutDeadLetter
		if detail == "" {
			put = s.store.AddDeadLetter
		}
		if err := put(ctx, letter); err != nil {
			return err
		}
	}
	if err := webhook.PublishEnd(ctx, s.broker, r); err != nil {
		return err
	}
	if err := quota.Refund(ctx, s.broker, r); err != nil {
		return err
	}
	return s.spending.Add(ctx, r, fresh)
}

// AnnounceStart publishes the start of a job to its webhook, if that wants it. It costs nothing otherwise, and one acknowledged
// publish if it does. A start that could not be published is published at the end of the job.
func (s *Service) AnnounceStart(ctx context.Context, spec *job.Spec, p *job.Progress) error {
	return webhook.PublishStart(ctx, s.broker, spec, p)
}

// remove removes the job from the queue, by st.Remove if that is set.
func (s *Service) remove(ctx context.Context, st *Settlement) error {
	remove := st.Remove
	if remove == nil {
		remove = func(ctx context.Context) error { return s.unqueue(ctx, st.Record.Spec) }
	}
	return s.write(ctx, st, StepUnqueue, 0, remove)
}

// unqueue removes a job from the queue if it is there.
func (s *Service) unqueue(ctx context.Context, spec *job.Spec) error {
	entry, err := s.queue.FindLeader(ctx, spec.Owner, spec.ID)
	switch {
	case errors.Is(err, queue.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return s.queue.Delete(ctx, entry.Sequence)
}

// dropProgress removes the progress of a job that has ended. A failure does no harm: readers look at the record first, and
// progress expires.
func (s *Service) dropProgress(ctx context.Context, st *Settlement) {
	if st.NoProgress {
		return
	}
	spec := st.Record.Spec
	if err := s.store.DropProgress(spec.Owner, spec.ID); err != nil && s.log != nil {
		s.log.DebugContext(ctx, "cannot delete progress", "error", err)
	}
}

// observe counts and logs the end of a job.
func (s *Service) observe(ctx context.Context, r *job.Record) {
	code := ""
	if r.Error != nil {
		code = r.Error.Code
	}
	if s.log != nil {
		ctx = telemetry.WithJobID(ctx, r.Spec.ID)
		s.log.InfoContext(ctx, "job ended", "kind", string(r.Spec.Kind), "status", string(r.Status), "code", code, "attempt", r.Attempt)
	}
	if s.metrics != nil {
		s.metrics.ObserveEnd(string(r.Spec.Kind), string(r.Status), code, r.FinishedAt.Sub(r.Spec.CreatedAt.Time))
	}
}
