package feedback

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// Import stores feedback of another system, with its ID, owner, time and status. It reports false and changes nothing when
// it is already present. What it is given must have passed Clean, and its owner and ID must be valid tokens. It costs two
// requests, or three for feedback that was processed.
func (b *Box) Import(ctx context.Context, e *Entry) (created bool, err error) {
	e.era, e.day = eraFormer, e.CreatedAt.UTC().Format(dayLayout)
	_, err = broker.LeaderLast(ctx, b.js, broker.FeedbackStream, e.subject())
	if err == nil {
		return false, nil
	}
	if !errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, fmt.Errorf("read feedback: %w", err)
	}
	// The mark goes first, so that an import that dies between the two and is then repeated does not take the feedback for
	// one that the operator has marked as pending again.
	if e.Status == Processed {
		if err := b.setDone(ctx, e); err != nil {
			return false, err
		}
	}
	if err := b.create(ctx, e); err != nil {
		if errors.Is(err, errConflict) {
			return false, nil
		}
		return false, err
	}
	return true, nil
}
