package jobs

import (
	"context"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// Replay makes the job spec, which does again what a dead letter asks for, and then removes the letter. The job's id must
// follow from the letter: whoever repeats a replay that was interrupted in between finds the job that is there, and
// replayed is then true, for as long as results are kept.
//
// It fails with ErrNotRetryable when the letter cannot be read or says that the job could not be, and as Submit does. An
// error after the job was made leaves the letter where it is.
func (l *Service) Replay(ctx context.Context, letter *store.Letter, spec *job.Spec) (snap *job.Snapshot, replayed bool, err error) {
	if letter.Dead == nil || !letter.Dead.CanBeReplayed() {
		return nil, false, ErrNotRetryable
	}
	snap, replayed, err = l.Submit(ctx, spec, true)
	if err != nil {
		return nil, false, err
	}
	// Somebody else may have removed it meanwhile, with the same job made of it.
	if _, err := l.store.RemoveLetter(ctx, letter); err != nil {
		return nil, false, err
	}
	return snap, replayed, nil
}
