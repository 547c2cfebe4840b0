package broker

import (
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// Server returns the embedded server, for tests that inspect it.
func (b *Broker) Server() *server.Server { return b.embedded.srv.Load() }

// WithRemindEvery returns cfg with another interval of the reminders while Open waits for NATS.
func WithRemindEvery(cfg Config, d time.Duration) Config {
	cfg.remindEvery = d
	return cfg
}

// Suitable checks what a server reports about itself.
var Suitable = suitable

// ServerLog is where the embedded server's lines go.
func ServerLog(log *slog.Logger) server.Logger { return &serverLog{log: log} }

// MergeStream returns the configuration that is sent for a stream which NATS has with another one, and what differs; exact
// names the settings that follow want whatever their value.
func MergeStream(want jetstream.StreamConfig, have map[string]json.RawMessage, exact ...string) (map[string]json.RawMessage, []string, error) {
	wanted, err := encodeConfig(want)
	if err != nil {
		return nil, nil, err
	}
	merged, d, err := mergeStream(wanted, have, exact)
	return merged, slices.Concat(d.recreate, d.oneWay, d.reversible), err
}

// StreamOfBucket returns the stream of a bucket.
var StreamOfBucket = streamOfBucket

// Union returns the union of two lists of subjects.
var Union = union
