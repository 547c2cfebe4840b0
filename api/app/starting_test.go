package app_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/api/internal/hooks"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
)

// lineWriter sends every log line to a channel.
type lineWriter struct{ lines chan string }

func (n lineWriter) Write(p []byte) (int, error) {
	select {
	case n.lines <- string(p):
	default:
	}
	return len(p), nil
}

func get(t *testing.T, client *http.Client, url, language string) (status int, retryAfter, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Language", language)
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("GET %s: %v", url, err)
	}
	defer func() { _ = resp.Body.Close() }()
	var b strings.Builder
	if err := resp.Write(&b); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Retry-After"), b.String()
}

// awaitPort waits until the port at address is open.
func awaitPort(t *testing.T, address string) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for limit := time.Now().Add(hang); ; <-tick.C {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("the port %s is closed: %v", address, err)
		}
	}
}

// TestPortOpensWhenReady starts a process on a running external NATS and checks that its first response is ready.
func TestPortOpensWhenReady(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	listen := freeAddress(t)
	cfg := apptest.Config(t, t.TempDir(), "NATS_URL="+b.ClientURL(), "JWT_SECRET=0123456789abcdef", "LISTEN_ADDR="+listen)
	cfg.SetHooks(func(h *hooks.App) { h.StartupGrace = hang })
	a, err := app.New(cfg, discard())
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 1)
	go func() { started <- a.Start(t.Context()) }()
	awaitPort(t, listen)
	client := &http.Client{Transport: &http.Transport{}}
	status, _, body := get(t, client, "http://"+listen+"/readyz", "en")
	if status != http.StatusOK {
		t.Errorf("readyz: %d %s", status, body)
	}
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	client.CloseIdleConnections()
	if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// TestWaitingForNATS starts a process before its NATS. It is alive but not ready, and becomes ready once NATS runs.
func TestWaitingForNATS(t *testing.T) {
	t.Parallel()
	nats, listen := freeAddress(t), freeAddress(t)
	cfg := apptest.Config(t, t.TempDir(), "NATS_URL=nats://"+nats, "JWT_SECRET=0123456789abcdef", "LISTEN_ADDR="+listen)
	cfg.SetHooks(func(h *hooks.App) { h.StartupGrace = time.Millisecond })
	log := lineWriter{make(chan string, 100)}
	a, err := app.New(cfg, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	started := make(chan error, 1)
	go func() { started <- a.Start(t.Context()) }()
	if line := <-log.lines; !strings.Contains(line, "NATS cannot be reached") {
		t.Errorf("logged %q", line)
	}
	awaitPort(t, listen)
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	if status, _, body := get(t, client, "http://"+listen+"/livez", "en"); status != http.StatusOK {
		t.Errorf("livez: %d %s", status, body)
	}
	for _, path := range []string{"/readyz", "/", "/api/jobs", "/internal/health"} {
		status, after, body := get(t, client, "http://"+listen+path, "zh")
		if status != http.StatusServiceUnavailable || after == "" || !strings.Contains(body, "正在启动") || !strings.Contains(body, "X-Request-Id") {
			t.Errorf("%s: %d, %q, %s", path, status, after, body)
		}
	}

	server := brokertest.Config(t)
	server.Listen = nats
	b, err := broker.Open(t.Context(), server, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close(context.WithoutCancel(t.Context())) })
	if err := <-started; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := a.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	if status, _, body := get(t, client, "http://"+listen+"/readyz", "en"); status != http.StatusOK {
		t.Errorf("readyz: %d %s", status, body)
	}
}
