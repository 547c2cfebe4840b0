package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// lossTTL is how long a loss is shown: long enough for a monitor and the person it calls, and no longer, since what is
// always red hides what comes next.
const lossTTL = time.Hour

// Loss is stored data that was gone when NATS came back.
type Loss struct {
	V int `json:"v"`
	// At is when the streams were made again.
	At time.Time `json:"at"`
	// Streams are those that had held something.
	Streams []string `json:"streams"`
}

// LastLoss returns the loss of the last hour, whichever process noticed it, or nil. It costs one request.
func (b *Broker) LastLoss(ctx context.Context) (*Loss, error) {
	var l Loss
	found, err := b.lastNotice(ctx, LossSubject(), &l)
	if err != nil || !found {
		return nil, err
	}
	return &l, nil
}

// recordLoss shows a loss to every process. Those that notice the same one write the same.
func (b *Broker) recordLoss(ctx context.Context, l Loss) error {
	l.V = lossVersion
	return b.recordNotice(ctx, LossSubject(), l)
}

const lossVersion = 1

// lastNotice reads what recordNotice has written within the last hour and reports whether there is anything.
func (b *Broker) lastNotice(ctx context.Context, subject string, v any) (bool, error) {
	msg, err := LeaderLast(ctx, b.js, ControlStream, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look for %s: %w", subject, err)
	case len(msg.Data) == 0:
		return false, nil // The mark of one that has expired.
	}
	if err := json.Unmarshal(msg.Data, v); err != nil {
		return false, fmt.Errorf("read %s: %w", subject, err)
	}
	return true, nil
}

// recordNotice shows something to every process for an hour.
func (b *Broker) recordNotice(ctx context.Context, subject string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", subject, err)
	}
	if _, err := b.js.Publish(ctx, subject, data, jetstream.WithMsgTTL(lossTTL)); err != nil {
		return fmt.Errorf("record %s: %w", subject, err)
	}
	return nil
}
