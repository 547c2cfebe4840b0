package feedback

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Import stores feedback of another system, with its ID, owner, time and status. It reports false and changes nothing when
// it is already present. Its texts must have passed Clean, and its owner and ID must be valid tokens. It fails with ErrFull,
// and costs two requests, or three for feedback that was processed.
func (b *Box) Import(ctx context.Context, e *Entry) (created bool, err error) {
	e.batch, e.day = batchImported, e.CreatedAt.UTC().Format(dayLayout)
	switch stored, err := b.entries.Get(ctx, e.subject()); {
	case stored.Exists:
		return false, nil
	case !errors.Is(err, kv.ErrNotFound):
		return false, err
	}
	// The mark goes first, so that an import that dies between the two and is then repeated does not take the feedback for
	// one that the operator has marked as pending again.
	if e.Status == Processed {
		if err := b.storeMark(ctx, e); err != nil {
			return false, err
		}
	}
	err = b.create(ctx, e)
	if errors.Is(err, kv.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}
