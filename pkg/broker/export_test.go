package broker

import (
	"log/slog"

	"github.com/nats-io/nats-server/v2/server"
)

// Server returns the embedded server, for tests that ask it what it really does.
func (b *Broker) Server() *server.Server { return b.embedded.srv.Load() }

// Suitable judges a server by what it says about itself.
var Suitable = suitable

// ServerLog is where the embedded server's lines go.
func ServerLog(log *slog.Logger) server.Logger { return &serverLog{log: log} }
