// Package apptest runs API processes in tests: real ones, with NATS and a worker on the simulator inside, and a client
// that checks every response against the contract. The result is the whole product, on a free port and without waiting.
package apptest

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// Hang bounds what a test waits for, on a machine that is busy with other things too; it is no expectation.
const Hang = 3 * time.Minute

// Process is a running API process and a client of it.
type Process struct {
	*app.App
	Client *http.Client
	// Cookie, if not empty, is sent along with every request; Visit sets it.
	Cookie string
}

// Config returns the settings of a process whose data is stored in dir. They are those of `go run ./api` with variables on
// top, except that it listens on a free port, retries soon and simulates no latency.
func Config(t testing.TB, dir string, variables ...string) app.Config {
	t.Helper()
	cfg := app.Default()
	environ := append([]string{
		"DATA_DIR=" + dir, "LISTEN_ADDR=127.0.0.1:0", "NATS_SYNC=1m", "FETCH_RETRY_INITIAL_DELAY_MS=20", "FETCH_RETRY_MAX_DELAY_MS=200",
	}, variables...)
	if err := env.Load(environ, &cfg); err != nil {
		t.Fatalf("settings: %v", err)
	}
	cfg.Worker.Latency = simulator.Latency{}
	cfg.Feed = feed.Config{Tick: 20 * time.Millisecond}
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

// Close stops the process and fails the test when that fails.
func (p *Process) Close(t testing.TB) {
	t.Helper()
	p.Client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), Hang)
	defer cancel()
	if err := p.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
}
