package jobs

import (
	"context"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// Replay enqueues spec, which repeats the job of a dead letter, and then removes the dead letter. The id of spec must be derived
// from the dead letter: when an interrupted replay is repeated, it returns the existing job, with replayed true, for as long as
// results are kept.
//
// It fails as Enqueue does, and with ErrNotRetryable when the dead letter, or the job it describes, cannot be decoded. After an
// error the dead letter may still exist.
func (s *Service) Replay(ctx context.Context, letter *store.DeadLetter, spec *job.Spec) (snap *job.Snapshot, replayed bool, err error) {
	if letter.Dead == nil || !letter.Dead.CanBeReplayed() {
		return nil, false, ErrNotRetryable
	}
	snap, replayed, err = s.Enqueue(ctx, spec, true)
	if err != nil {
		return nil, false, err
	}
	// A concurrent replay, which has the same result, may have removed it already.
	if _, err := s.store.RemoveDeadLetter(ctx, letter); err != nil {
		return nil, false, err
	}
	return snap, replayed, nil
}
