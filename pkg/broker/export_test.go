package broker

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker/filestore"
)

// Server returns the embedded server, for tests that inspect it.
func (b *Broker) Server() *server.Server { return b.embedded.srv.Load() }

// Recovered returns the result of the recovery of the store.
func (b *Broker) Recovered() *filestore.Result { return b.embedded.recovered }

// GroupCommit returns a function that waits for a group commit that calls sync.
func GroupCommit(sync func() error) (wait func(context.Context) error) {
	return (&groupCommit{sync: sync}).wait
}

// Suitable checks the version and features of a server.
var Suitable = suitable

// ServerLog returns the logger of the embedded server.
func ServerLog(log *slog.Logger) server.Logger { return &serverLog{log: log} }

// MergeStream returns the configuration to send for a stream, and the differences. exact names the settings that are always
// set to those of want.
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
