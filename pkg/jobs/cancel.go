package jobs

import (
	"context"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Cancel cancels a job of one of the owners and returns it. Canceling it again is no error. It fails with ErrNotFound, and
// with ErrFinished, together with the job, when the job has ended in another way. A call to an upstream that is in progress is
// aborted, but may still be billed.
func (s *Service) Cancel(ctx context.Context, owners []string, id string) (*job.Snapshot, error) {
	snap, err := s.readCurrent(ctx, owners, id)
	if err != nil {
		return nil, err
	}
	if snap.Record != nil && snap.Record.Status == job.StatusCanceled {
		// An earlier cancel may have been interrupted, and its caller repeats it.
		if err := s.resume(ctx, snap.Record); err != nil {
			return nil, err
		}
	}
	if snap.Record == nil {
		kind := job.CancelBeforeStart
		if snap.Status() != job.StatusQueued {
			kind = job.CancelWhileRunning
		}
		if snap, _, err = s.end(ctx, snap, &job.Record{Status: job.StatusCanceled, Cancel: kind}); err != nil {
			return nil, err
		}
	}
	if snap.Record.Status != job.StatusCanceled {
		return snap, ErrFinished
	}
	return snap, nil
}

// CancelUnstarted cancels a job that has not started, because its caller has disconnected. It reports whether it did.
func (s *Service) CancelUnstarted(ctx context.Context, owner, id string) (bool, error) {
	snap, err := s.readLeader(ctx, owner, id)
	if err != nil || snap.Status() != job.StatusQueued {
		return false, err
	}
	snap, _, err = s.end(ctx, snap, &job.Record{Status: job.StatusCanceled, Cancel: job.CancelBeforeStart})
	return err == nil && snap.Record.Status == job.StatusCanceled, err
}
