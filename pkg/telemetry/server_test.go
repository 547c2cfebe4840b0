package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

func start(t *testing.T, cfg telemetry.Config, m *telemetry.Metrics) *telemetry.Server {
	t.Helper()
	server := telemetry.NewServer(cfg, m, slog.New(slog.DiscardHandler))
	if err := server.Start(t.Context()); err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			t.Errorf("Stop: %v", err)
		}
	})
	return server
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if closed := resp.Body.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
	return resp.StatusCode, string(body)
}

func TestServerOffersMetricsAndProfiles(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	m.StreamsOpen.Set(3)
	server := start(t, telemetry.Config{MetricsEnabled: true, MetricsAddr: "127.0.0.1:0"}, m)
	tests := map[string]struct {
		status int
		holds  string
	}{
		"/metrics":                       {http.StatusOK, "text2image_sse_streams_open 3\n"},
		"/debug/pprof/":                  {http.StatusOK, "goroutine"},
		"/debug/pprof/goroutine?debug=1": {http.StatusOK, "goroutine profile:"},
		"/debug/pprof/heap?debug=1":      {http.StatusOK, "heap profile:"},
		"/debug/pprof/cmdline":           {http.StatusOK, ""},
		"/debug/pprof/symbol":            {http.StatusOK, "num_symbols"},
		"/debug/vars":                    {http.StatusNotFound, ""},
		"/":                              {http.StatusNotFound, ""},
	}
	for path, test := range tests {
		t.Run(path, func(t *testing.T) {
			status, body := get(t, "http://"+server.Addr()+path)
			if status != test.status || !strings.Contains(body, test.holds) {
				t.Errorf("got %d, %.200q", status, body)
			}
		})
	}
}

func TestServerIsOffUnlessEnabled(t *testing.T) {
	t.Parallel()
	server := start(t, telemetry.Config{MetricsAddr: "127.0.0.1:0"}, telemetry.NewMetrics())
	if server.Addr() != "" {
		t.Errorf("it listens on %s", server.Addr())
	}
}

func TestServerNamesTakenAddress(t *testing.T) {
	t.Parallel()
	cfg := telemetry.Config{MetricsEnabled: true, MetricsAddr: "127.0.0.1:0"}
	cfg.MetricsAddr = start(t, cfg, telemetry.NewMetrics()).Addr()
	err := telemetry.NewServer(cfg, telemetry.NewMetrics(), slog.New(slog.DiscardHandler)).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "listen for metrics: ") || !strings.Contains(err.Error(), cfg.MetricsAddr) {
		t.Errorf("got %v", err)
	}
}

// TestServerStopsInTime holds a scrape open and stops with a context that has ended.
func TestServerStopsInTime(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	entered, release := make(chan struct{}), make(chan struct{})
	if err := m.RegisterDeadLetters(func(context.Context) (int, error) {
		close(entered)
		<-release
		return 0, nil
	}); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	server := telemetry.NewServer(telemetry.Config{MetricsEnabled: true, MetricsAddr: "127.0.0.1:0"}, m,
		slog.New(slog.NewTextHandler(&log, nil)))
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Stop(ended); err == nil || !strings.HasPrefix(err.Error(), "stop metrics server: ") {
		t.Errorf("got %v", err)
	}
	// The scrape still hangs, so only a cut connection ends this read.
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the request was not cut off: %v", err)
	}
	close(release)
	if log.Len() > 0 {
		t.Errorf("an ordered stop was logged: %s", log.String())
	}
}
