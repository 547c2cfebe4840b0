package broker

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker/filestore"
)

// Server returns the embedded server, for tests that inspect it.
func (b *Broker) Server() *server.Server { return b.embedded.srv.Load() }

// Recovered returns the result of the recovery of the store.
func (b *Broker) Recovered() *filestore.Result { return b.embedded.recovered }

// GroupCommits returns a function that waits for group commits of streams that are synced by the given functions.
func GroupCommits(syncs map[string]func() error) (wait func(ctx context.Context, stream string) error) {
	return commitsOf(syncs).wait
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

// RecentReads are the reads that RecentLast keeps.
type RecentReads struct{ r recentReads }

// NewRecentReads returns an empty one.
func NewRecentReads(age time.Duration) *RecentReads { return &RecentReads{recentReads{age: age}} }

// Read begins a read, of which the returned function keeps the message.
func (r *RecentReads) Read(subject string, now time.Time) (put func(*RecentMessage)) {
	_, _, writes := r.r.get(subject, now)
	return func(msg *RecentMessage) { r.r.put(subject, msg, now, writes) }
}

// Write begins a write, which the returned function ends.
func (r *RecentReads) Write(subject string) (end func()) { return r.r.write(subject) }

// Has reports whether a message is kept.
func (r *RecentReads) Has(subject string, now time.Time) bool {
	_, found, _ := r.r.get(subject, now)
	return found
}

// DecodeAck and PlainAck decode acknowledgements.
var (
	DecodeAck = decodeAck
	PlainAck  = plainAck
)

// PendingPublishes returns how many publishes wait for their acknowledgement.
func (b *Broker) PendingPublishes() int {
	p := b.checked.publisher
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pending)
}
