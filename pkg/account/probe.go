package account

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// probeTTL is how long a probe is stored if its process dies before it removes it.
const probeTTL = 30 * time.Second

// Probe writes, reads and removes a key in the bucket of accounts, for the health check. Concurrent probes need different
// IDs. It costs three requests.
func (a *Accounts) Probe(ctx context.Context, id string) error {
	subject := broker.UsersProbeSubject(id)
	revision, err := a.probes.Put(ctx, subject, id, jetstream.WithMsgTTL(probeTTL))
	if err != nil {
		return err
	}
	e, err := a.probes.Get(ctx, subject)
	if err != nil {
		return err
	}
	if e.Revision != revision || e.Value != id {
		return errors.New("read probe: the value differs from what was written")
	}
	return a.probes.Purge(ctx, subject)
}
