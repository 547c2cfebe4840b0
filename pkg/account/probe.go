package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// probeTTL is how long a probe stays whose process died before it could remove it.
const probeTTL = 30 * time.Second

// Probe writes, reads and removes a key beside the accounts, to show that they can be written. The id tells probes at the
// same time apart. It costs three requests.
func (a *Accounts) Probe(ctx context.Context, id string) error {
	subject := broker.UsersProbeSubject(id)
	ack, err := a.js.Publish(ctx, subject, []byte(id), jetstream.WithMsgTTL(probeTTL))
	if err != nil {
		return fmt.Errorf("write probe: %w", published(err))
	}
	msg, err := broker.LeaderLast(ctx, a.js, broker.UsersStream, subject)
	if err != nil {
		return fmt.Errorf("read probe: %w", err)
	}
	if msg.Sequence != ack.Sequence || string(msg.Data) != id {
		return errors.New("read probe: not what was written")
	}
	if err := a.users.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
		return fmt.Errorf("remove probe: %w", err)
	}
	return nil
}
