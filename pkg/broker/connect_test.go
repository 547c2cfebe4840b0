package broker_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/broker/internal/hooks"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// opening runs broker.Open in the background.
func opening(ctx context.Context, t *testing.T, cfg broker.Config, log slog.Handler) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		b, err := broker.Open(ctx, cfg, slog.New(log))
		if err == nil {
			err = b.Check(ctx)
			err = errors.Join(err, b.Close(context.WithoutCancel(ctx)))
		}
		done <- err
	}()
	return done
}

func result(t *testing.T, done <-chan error) error {
	t.Helper()
	select {
	case err := <-done:
		return err
	case <-time.After(hang):
		t.Fatal("Open did not return")
		return nil
	}
}

func TestOpenWaitsForNATS(t *testing.T) {
	t.Parallel()
	port, log := brokertest.FreePort(t), newLines()
	cfg := broker.Config{URL: env.Secret(urlOf(port))}
	cfg.SetHooks(func(h *hooks.Hooks) { h.RemindInterval = time.Millisecond })
	done := opening(t.Context(), t, cfg, log)
	log.await(t, "NATS cannot be reached, waiting for it")
	log.await(t, "still waiting for NATS")
	select {
	case err := <-done:
		t.Fatalf("Open did not wait: %v", err)
	default:
	}
	brokertest.StartServer(t, onPort(port))
	if err := result(t, done); err != nil {
		t.Error(err)
	}
	log.hasLevel(t, "still waiting for NATS", slog.LevelError)
	log.hasLevel(t, "connected to NATS", slog.LevelInfo)
}

func TestOpenStopsWithItsContext(t *testing.T) {
	t.Parallel()
	port, log := brokertest.FreePort(t), newLines()
	ctx, cancel := context.WithCancelCause(t.Context())
	done := opening(ctx, t, broker.Config{URL: env.Secret(urlOf(port))}, log)
	log.await(t, "NATS cannot be reached, waiting for it")
	stopped := errors.New("stopped by the operator")
	cancel(stopped)
	err := result(t, done)
	if !errors.Is(err, stopped) || !strings.Contains(err.Error(), "connect to NATS") {
		t.Errorf("%v", err)
	}
}

// TestOpenRefusedCredentials checks that Open does not wait for a server that refuses the credentials.
func TestOpenRefusedCredentials(t *testing.T) {
	t.Parallel()
	srv := brokertest.StartServer(t, func(o *server.Options) { o.Username, o.Password = "worker", "sesame" })
	for _, credentials := range []string{"", "worker:guess@"} {
		url := strings.Replace(srv.ClientURL(), "nats://", "nats://"+credentials, 1)
		err := result(t, opening(t.Context(), t, broker.Config{URL: env.Secret(url)}, newLines()))
		if err == nil || !strings.Contains(err.Error(), "credentials") {
			t.Errorf("with %q: %v", credentials, err)
		}
		if err != nil && strings.Contains(err.Error(), "guess") {
			t.Errorf("the error contains the password: %v", err)
		}
	}
	url := strings.Replace(srv.ClientURL(), "nats://", "nats://worker:sesame@", 1)
	if err := result(t, opening(t.Context(), t, broker.Config{URL: env.Secret(url)}, newLines())); err != nil {
		t.Error(err)
	}
}

func TestReconnects(t *testing.T) {
	t.Parallel()
	port, dir, log := brokertest.FreePort(t), t.TempDir(), newLines()
	here := func(o *server.Options) { o.Port, o.StoreDir = port, dir }
	srv := brokertest.StartServer(t, here)
	b, err := brokertest.Open(t, broker.Config{URL: env.Secret(urlOf(port))}, log)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		brokertest.StopServer(srv)
		log.await(t, "NATS connection lost")
		if err := b.Check(t.Context()); err == nil {
			t.Error("Check succeeds without a connection")
		}
		srv = brokertest.StartServer(t, here)
		log.await(t, "NATS connection is back")
		awaitCheck(t, b)
	}
	log.hasLevel(t, "NATS connection lost", slog.LevelError)
	log.hasLevel(t, "NATS connection is back", slog.LevelInfo)
}

// TestReconnectsAfterRefusal checks that a running process survives a server that refuses its credentials for a while, for
// example because its accounts are being changed.
func TestReconnectsAfterRefusal(t *testing.T) {
	t.Parallel()
	port, dir, log := brokertest.FreePort(t), t.TempDir(), newLines()
	here := func(o *server.Options) { o.Port, o.StoreDir = port, dir }
	srv := brokertest.StartServer(t, here)
	b, err := brokertest.Open(t, broker.Config{URL: env.Secret(urlOf(port))}, log)
	if err != nil {
		t.Fatal(err)
	}
	brokertest.StopServer(srv)
	srv = brokertest.StartServer(t, here, func(o *server.Options) { o.Username, o.Password = "somebody", "else" })
	for range 3 {
		log.await(t, "NATS reported an error")
	}
	brokertest.StopServer(srv)
	brokertest.StartServer(t, here)
	log.await(t, "NATS connection is back")
	awaitCheck(t, b)
}

func TestCloseWhileDisconnected(t *testing.T) {
	t.Parallel()
	log := newLines()
	srv := brokertest.StartServer(t)
	b, err := brokertest.Open(t, broker.Config{URL: env.Secret(srv.ClientURL())}, log)
	if err != nil {
		t.Fatal(err)
	}
	brokertest.StopServer(srv)
	log.await(t, "NATS connection lost")
	brokertest.Close(t, b)
	if !b.Conn().IsClosed() {
		t.Error("the connection still reconnects")
	}
}

// TestRequestsAreBounded checks that a read without a deadline ends although it is never answered.
func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	log := newLines()
	srv := brokertest.StartServer(t)
	b, err := brokertest.Open(t, broker.Config{URL: env.Secret(srv.ClientURL())}, log)
	if err != nil {
		t.Fatal(err)
	}
	brokertest.StopServer(srv)
	log.await(t, "NATS connection lost")
	done := make(chan error, 1)
	go func() {
		_, err := broker.LeaderLast(context.WithoutCancel(t.Context()), b.JetStream(), broker.StreamJobs, "jobs.a.b.c.d")
		done <- err
	}()
	if err := result(t, done); err == nil {
		t.Error("the read succeeded without a response")
	}
}
