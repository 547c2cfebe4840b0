package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// noticeTTL is how long a notice is stored: long enough for a monitor and the person on call, and no longer, because a
// permanent alarm hides the next one.
const noticeTTL = time.Hour

// DataLoss is a loss of stored data, detected when NATS came back.
type DataLoss struct {
	V int `json:"v"`
	// At is when the streams were recreated.
	At time.Time `json:"at"`
	// Streams names the streams whose messages are lost.
	Streams []string `json:"streams"`
}

// LastDataLoss returns the data loss of the last hour, whichever process detected it, or nil. It costs one request.
func (b *Broker) LastDataLoss(ctx context.Context) (*DataLoss, error) {
	return lastNotice[DataLoss](ctx, b.js, LossSubject())
}

// recordDataLoss stores the notice of a data loss. Processes that detect the same loss store the same notice.
func (b *Broker) recordDataLoss(ctx context.Context, l DataLoss) error {
	l.V = dataLossVersion
	return b.recordNotice(ctx, LossSubject(), l)
}

const dataLossVersion = 1

// lastNotice returns the notice that recordNotice stored within the last hour, or nil.
func lastNotice[T any](ctx context.Context, js jetstream.JetStream, subject string) (*T, error) {
	msg, err := LeaderLast(ctx, js, ControlStream, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", subject, err)
	case len(msg.Data) == 0:
		return nil, nil // The marker of an expired notice.
	}
	var notice T
	if err := json.Unmarshal(msg.Data, &notice); err != nil {
		return nil, fmt.Errorf("read %s: %w", subject, err)
	}
	return &notice, nil
}

// recordNotice stores a notice for an hour.
func (b *Broker) recordNotice(ctx context.Context, subject string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", subject, err)
	}
	if _, err := b.js.Publish(ctx, subject, data, jetstream.WithMsgTTL(noticeTTL)); err != nil {
		return fmt.Errorf("record %s: %w", subject, err)
	}
	return nil
}
