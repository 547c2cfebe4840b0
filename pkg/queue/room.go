package queue

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// CheckRoom fails with ErrFull when the queue cannot take n more jobs. Others may take the room before they are pushed. It costs
// one request to the leader of the stream.
func (q *Queue) CheckRoom(ctx context.Context, n int) error {
	var info *jetstream.StreamInfo
	err := broker.RetryUnanswered(ctx, func(ctx context.Context) (err error) {
		info, err = q.stream.Info(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("%w: read the length of the queue: %w", ErrUnavailable, err)
	}
	if most := info.Config.MaxMsgs; most > 0 && info.State.Msgs+uint64(n) > uint64(most) { //nolint:gosec // n is the length of a slice.
		return ErrFull
	}
	return nil
}
