package jobs

import (
	"context"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// Replay submits the job spec, which repeats the job of a dead letter, and then removes the letter. The job's id must follow
// from the letter: a replay that is repeated because it was interrupted returns the existing job, with replayed true, for as
// long as results are kept.
//
// It fails with ErrNotRetryable when the letter, or the job when it ran, cannot be read, and as Submit does. After an error
// the letter may still be there.
func (s *Service) Replay(ctx context.Context, letter *store.DeadLetter, spec *job.Spec) (snap *job.Snapshot, replayed bool, err error) {
	if letter.Dead == nil || !letter.Dead.CanBeReplayed() {
		return nil, false, ErrNotRetryable
	}
	snap, replayed, err = s.Enqueue(ctx, spec, true)
	if err != nil {
		return nil, false, err
	}
	// Somebody else may have replayed it meanwhile, with the same job as the result.
	if _, err := s.store.RemoveDeadLetter(ctx, letter); err != nil {
		return nil, false, err
	}
	return snap, replayed, nil
}
