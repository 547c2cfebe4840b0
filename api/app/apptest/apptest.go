// Package apptest runs complete API processes in tests, with an embedded NATS and a worker on the simulator, and provides a
// client that checks every response against the contract.
package apptest

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/internal/hooks"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// Hang bounds every wait of a test. It is generous because the machine may be busy; tests do not expect to take that long.
const Hang = 3 * time.Minute

// Process is a running API process with a client.
type Process struct {
	*app.App
	Client *http.Client
	// Cookie, if not empty, is sent with every request. Visit sets it.
	Cookie string
}

// Config returns the settings of `go run ./api` with data in dir and the given variables, except that the process listens on
// a free port, retries and hashes passwords quickly, simulates no latency and, unless NATS_SYNC is always, syncs nothing at its
// stop.
func Config(t testing.TB, dir string, variables ...string) app.Config {
	t.Helper()
	accounttest.AllowWeakHashes(t)
	cfg := app.Default()
	environ := append([]string{
		"DATA_DIR=" + dir, "LISTEN_ADDR=127.0.0.1:0", "NATS_SYNC=1m", "FETCH_RETRY_INITIAL_DELAY_MS=20", "FETCH_RETRY_MAX_DELAY_MS=200",
		"PBKDF2_ITERATIONS=10",
	}, variables...)
	if err := env.Load(environ, &cfg); err != nil {
		t.Fatalf("settings: %v", err)
	}
	brokertest.NoStopSync(&cfg.Broker)
	cfg.Worker.Latency = simulator.Latency{}
	cfg.SetHooks(func(h *hooks.App) { h.Feed.Tick = 20 * time.Millisecond })
	return cfg
}

// Start runs a process until the test ends.
func Start(t testing.TB, cfg app.Config) *Process {
	t.Helper()
	p := Run(t, cfg)
	t.Cleanup(func() { p.Close(t) })
	return p
}

// Run runs a process until Close, which the test must call.
func Run(t testing.TB, cfg app.Config) *Process {
	t.Helper()
	a, err := app.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatalf("new: %v", err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
	return &Process{App: a, Client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

// Close stops the process and fails the test if that fails.
func (p *Process) Close(t testing.TB) {
	t.Helper()
	p.Client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), Hang)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}
