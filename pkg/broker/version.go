package broker

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// minAPILevel is the required JetStream API level. Level 2 came with nats-server 2.12, whose counters, atomic batches and
// safer elections this service relies on.
const minAPILevel = 2

const minServer = "2.12"

// ErrUnsuitable is returned for a NATS server that cannot be used: too old, or without JetStream.
var ErrUnsuitable = errors.New("unsuitable NATS server")

// checkServer returns ErrUnsuitable, with the name of the server, if it is too old or lacks JetStream.
func checkServer(ctx context.Context, nc *nats.Conn, js jetstream.JetStream) error {
	info, err := js.AccountInfo(ctx)
	return suitable(nc.ConnectedServerName(), nc.ConnectedServerVersion(), info, err)
}

func suitable(name, version string, info *jetstream.AccountInfo, err error) error {
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("%w: server %q (version %s) has no JetStream for this account; enable JetStream in its configuration",
			ErrUnsuitable, name, version)
	case err != nil:
		return fmt.Errorf("check JetStream of NATS server %q: %w", name, err)
	case info.API.Level < minAPILevel:
		return fmt.Errorf("%w: server %q (version %s) is too old: its JetStream API level is %d and %d is needed, nats-server %s or newer",
			ErrUnsuitable, name, version, info.API.Level, minAPILevel, minServer)
	}
	return nil
}
