package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// noticeTTL is how long a notice is shown: long enough for a monitor and the person on call, and no longer, because a
// permanent alarm hides the next one.
const noticeTTL = time.Hour

// DataLoss is stored data that was missing when NATS came back.
type DataLoss struct {
	V int `json:"v"`
	// At is when the streams were created again.
	At time.Time `json:"at"`
	// Streams are those whose messages are lost.
	Streams []string `json:"streams"`
}

// LastDataLoss returns the data loss of the last hour, whichever process noticed it, or nil. It costs one request.
func (b *Broker) LastDataLoss(ctx context.Context) (*DataLoss, error) {
	var l DataLoss
	found, err := b.lastNotice(ctx, LossSubject(), &l)
	if err != nil || !found {
		return nil, err
	}
	return &l, nil
}

// recordDataLoss shows a data loss to every process. Processes that notice the same one write the same.
func (b *Broker) recordDataLoss(ctx context.Context, l DataLoss) error {
	l.V = dataLossVersion
	return b.recordNotice(ctx, LossSubject(), l)
}

const dataLossVersion = 1

// lastNotice reads what recordNotice has written within the last hour, and reports whether there is a notice.
func (b *Broker) lastNotice(ctx context.Context, subject string, v any) (bool, error) {
	msg, err := LeaderLast(ctx, b.js, ControlStream, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("read %s: %w", subject, err)
	case len(msg.Data) == 0:
		return false, nil // The marker of an expired notice.
	}
	if err := json.Unmarshal(msg.Data, v); err != nil {
		return false, fmt.Errorf("read %s: %w", subject, err)
	}
	return true, nil
}

// recordNotice shows a notice to every process for an hour.
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
