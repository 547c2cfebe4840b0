// Package brokertest starts a real NATS for a test: embedded, on a directory of its own, without a port. Nothing of
// JetStream is ever imitated.
package brokertest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// Config returns a configuration for a test, on a new directory. Writes are not synced to the disk one by one: a test
// that is about that sets Sync back. A port, where a test opens one, asks for no credentials.
func Config(t testing.TB) broker.Config {
	t.Helper()
	return broker.Config{DataDir: t.TempDir(), Sync: "1m", Replicas: 1, ResultTTL: 24 * time.Hour, AckWait: broker.DefaultAckWait, OpenPort: true}
}

// Start returns an open broker that is closed when the test ends. Options change its configuration.
func Start(t testing.TB, options ...func(*broker.Config)) *broker.Broker {
	t.Helper()
	cfg := Config(t)
	for _, option := range options {
		option(&cfg)
	}
	b, err := broker.Open(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("open broker: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("close broker: %v", err)
		}
	})
	return b
}
