package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

const (
	// settlePoll is the pause between two looks at a job that has ended and is not settled, and settlePolls bounds their number: a
	// settlement takes as long as a sync of the disk, unless its worker has died, so that another settles the job later.
	settlePoll  = 20 * time.Millisecond
	settlePolls = 100
)

// Delete removes a job that has ended, with its media. It waits up to two seconds for a job that has just ended to be settled. It fails
// with ErrNotFinished while the job has not ended or is still being settled, and with ErrNotFound.
func (s *Service) Delete(ctx context.Context, owners []string, id string) error {
	snap, err := s.readCurrent(ctx, owners, id)
	if err != nil {
		return err
	}
	if snap.Record == nil {
		return ErrNotFinished
	}
	if err := s.awaitSettled(ctx, snap.Spec); err != nil {
		return err
	}
	if err := s.stepDone(stepDeletable); err != nil {
		return err
	}
	// Without the tombstone, a batch that is not in the queue as a whole yet would put the job there again.
	keepTombstone := s.mayRun(snap.Record) || snap.Spec.Batch != ""
	defer s.created.forget(snap.Spec.Owner, id) // The key may be used again.
	if err := s.store.Delete(ctx, snap.Spec.Owner, id, keepTombstone); err != nil || !keepTombstone {
		return err
	}
	// A new job may have been submitted under the same idempotency key meanwhile, too early to find the tombstone.
	queued, err := s.queued(ctx, snap.Spec)
	if err != nil || !queued {
		return err
	}
	return s.store.RemoveTombstone(ctx, snap.Spec.Owner, id)
}

// awaitSettled waits until a job that has ended has left the queue.
func (s *Service) awaitSettled(ctx context.Context, spec *job.Spec) error {
	for range settlePolls {
		queued, err := s.queued(ctx, spec)
		if err != nil || !queued {
			return err
		}
		if err := s.stepDone(stepSettling); err != nil {
			return err
		}
		if !lifecycle.Sleep(ctx, settlePoll) {
			break
		}
	}
	return ErrNotFinished
}

// WorkerDrain is for how long after a job's end a worker may still be working on it; no call takes as long.
const WorkerDrain = 15 * time.Minute

// mayRun reports whether a worker may still be working on a job that has ended: the job was ended from outside and the notice
// may have been lost, or it was delivered to two workers, because one of them seemed dead.
func (s *Service) mayRun(r *job.Record) bool {
	return r.Cancel == job.CancelWhileRunning || (r.Error != nil && r.Error.Code == job.CodeDeadline) ||
		s.now().Sub(r.FinishedAt.Time) < WorkerDrain
}

// queued reports whether a job is in the queue.
func (s *Service) queued(ctx context.Context, spec *job.Spec) (bool, error) {
	_, err := s.queue.FindLeader(ctx, spec.Owner, spec.ID)
	if errors.Is(err, queue.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
