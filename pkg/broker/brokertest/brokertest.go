// Package brokertest starts real NATS servers for tests: embedded in a broker, standalone, as a cluster, behind a proxy that
// delays messages, on a full disk, and on a store that an earlier release wrote.
package brokertest

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/internal/hooks"
)

// openTimeout bounds opening and closing a broker, so that a test that hangs fails.
const openTimeout = time.Minute

// Config returns a configuration for a test, with a new directory. Writes are not synced one by one, a stop syncs nothing, and a port, if the
// test opens one, requires no credentials.
func Config(t testing.TB) broker.Config {
	t.Helper()
	cfg := broker.Config{DataDir: t.TempDir(), Sync: "1m", Replicas: 1, ResultTTL: 24 * time.Hour}
	cfg.SetHooks(func(h *hooks.Hooks) { h.OpenPort, h.NoStopSync = true, true })
	return cfg
}

// Start returns an open broker that is closed when the test ends. Options change its configuration.
func Start(t testing.TB, options ...func(*broker.Config)) *broker.Broker {
	t.Helper()
	cfg := Config(t)
	for _, option := range options {
		option(&cfg)
	}
	return MustOpen(t, cfg)
}

// MustOpen returns an open broker that is closed when the test ends.
func MustOpen(t testing.TB, cfg broker.Config) *broker.Broker {
	t.Helper()
	b, err := Open(t, cfg, slog.DiscardHandler)
	if err != nil {
		t.Fatalf("open broker: %v", err)
	}
	return b
}

// Open is broker.Open with a time limit; the broker is closed when the test ends.
func Open(t testing.TB, cfg broker.Config, log slog.Handler) (*broker.Broker, error) {
	t.Helper()
	return openWith(t, broker.Open, cfg, log)
}

// OpenUndeclared is broker.OpenUndeclared with a time limit; the broker is closed when the test ends.
func OpenUndeclared(t testing.TB, cfg broker.Config) (*broker.Broker, error) {
	t.Helper()
	return openWith(t, broker.OpenUndeclared, cfg, slog.DiscardHandler)
}

type openFunc = func(context.Context, broker.Config, *slog.Logger) (*broker.Broker, error)

func openWith(t testing.TB, open openFunc, cfg broker.Config, log slog.Handler) (*broker.Broker, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), openTimeout)
	defer cancel()
	b, err := open(ctx, cfg, slog.New(log))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { Close(t, b) })
	return b, nil
}

// Close closes a broker, which may be closed already, and reports an error to the test.
func Close(t testing.TB, b *broker.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), openTimeout)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Errorf("close broker: %v", err)
	}
}
