package jobs

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// ErrNotRetryable is returned for a job that cannot be done again: it has not ended, it has succeeded, or what it asked
// for cannot be read.
var ErrNotRetryable = errors.New("the job cannot be done again")

// Retryable returns a job of one of the owners that failed or was canceled, so that a new one can be made of it. It fails
// with ErrNotRetryable, together with the job as it stands, and with ErrNotFound. It asks the streams' leaders.
func (l *Service) Retryable(ctx context.Context, owners []string, id string) (*job.Snapshot, error) {
	snap, err := l.certain(ctx, owners, id)
	if err != nil {
		return nil, err
	}
	if snap.Record == nil || !snap.Record.CanBeRetried() {
		return snap, ErrNotRetryable
	}
	return snap, nil
}
