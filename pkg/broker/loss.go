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
	msg, err := LeaderLast(ctx, b.js, ControlStream, LossSubject())
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for a loss: %w", err)
	case len(msg.Data) == 0:
		return nil, nil // The mark of one that has expired.
	}
	var l Loss
	if err := json.Unmarshal(msg.Data, &l); err != nil {
		return nil, fmt.Errorf("read loss: %w", err)
	}
	return &l, nil
}

// recordLoss shows a loss to every process. Those that notice the same one write the same.
func (b *Broker) recordLoss(ctx context.Context, l Loss) error {
	l.V = lossVersion
	data, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("encode loss: %w", err)
	}
	if _, err := b.js.Publish(ctx, LossSubject(), data, jetstream.WithMsgTTL(lossTTL)); err != nil {
		return fmt.Errorf("record loss: %w", err)
	}
	return nil
}

const lossVersion = 1
