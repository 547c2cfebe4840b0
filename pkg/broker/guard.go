package broker

import (
	"context"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// guard is a JetStream that publishes nothing while the disk fails. The server would not answer, and whoever publishes
// would wait for his time-out.
type guard struct {
	jetstream.JetStream
	fault func() error
}

// Publish is jetstream.JetStream.Publish. It fails with the fault while there is one; nothing is published then.
func (g guard) Publish(ctx context.Context, subject string, data []byte, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if err := g.fault(); err != nil {
		return nil, err
	}
	return g.JetStream.Publish(ctx, subject, data, opts...)
}

// PublishMsg is jetstream.JetStream.PublishMsg. It fails as Publish does.
func (g guard) PublishMsg(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if err := g.fault(); err != nil {
		return nil, err
	}
	return g.JetStream.PublishMsg(ctx, msg, opts...)
}
