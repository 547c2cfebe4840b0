package feedback

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// Import stores feedback of another system with its ID, owner, time and status. It returns false and changes nothing when the
// feedback is already present. The texts must have passed Clean, and owner and ID must be valid tokens. It returns ErrFull when
// NATS has no room. It costs two requests, or three for processed feedback.
func (b *Box) Import(ctx context.Context, e *Entry) (created bool, err error) {
	e.batch, e.day = batchImported, e.CreatedAt.UTC().Format(dayLayout)
	switch stored, err := b.entries.Get(ctx, e.subject()); {
	case stored.Exists:
		return false, nil
	case !errors.Is(err, kv.ErrNotFound):
		return false, err
	}
	// Store the mark first: otherwise feedback whose import died in between would stay pending, since a repeated import skips
	// entries that are present.
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
