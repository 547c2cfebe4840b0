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

// response is a response with its body.
type response struct {
	StatusCode int
	Header     http.Header
	Body       string
}

// tryGet sends a request for host with headers given as names and values. It fails when nothing listens.
func tryGet(t *testing.T, url, host string, headers ...string) (response, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: guard}
	resp, err := client.Do(req)
	if err != nil {
		return response{}, err
	}
	body, err := io.ReadAll(resp.Body)
	if closed := resp.Body.Close(); err != nil || closed != nil {
		t.Fatal(err, closed)
	}
	return response{resp.StatusCode, resp.Header, string(body)}, nil
}

// get is tryGet for a server that must listen.
func get(t *testing.T, url, host string, headers ...string) response {
	t.Helper()
	resp, err := tryGet(t, url, host, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func TestServerServesMetricsAndProfiles(t *testing.T) {
	t.Parallel()
	m := telemetry.NewMetrics()
	m.StreamsOpen.Set(3)
	server := start(t, telemetry.Config{MetricsEnabled: true, MetricsAddr: "127.0.0.1:0"}, m)
	tests := map[string]struct {
		status   int
		contains string
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
			resp := get(t, "http://"+server.Addr()+path, "")
			if resp.StatusCode != test.status || !strings.Contains(resp.Body, test.contains) {
				t.Errorf("got %d, %.200q", resp.StatusCode, resp.Body)
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

func TestServerNamesAddressInUse(t *testing.T) {
	t.Parallel()
	cfg := telemetry.Config{MetricsEnabled: true, MetricsAddr: "127.0.0.1:0"}
	cfg.MetricsAddr = start(t, cfg, telemetry.NewMetrics()).Addr()
	err := telemetry.NewServer(cfg, telemetry.NewMetrics(), slog.New(slog.DiscardHandler)).Start(t.Context())
	if err == nil || !strings.Contains(err.Error(), "METRICS_ADDR: ") || !strings.Contains(err.Error(), cfg.MetricsAddr) {
		t.Errorf("got %v", err)
	}
}

// TestServerStopsInTime stops with a canceled context while a scrape hangs.
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
	// The scrape still hangs, so only closing the connection ends this read.
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection was not closed: %v", err)
	}
	close(release)
	if log.Len() > 0 {
		t.Errorf("an orderly stop was logged: %s", log.String())
	}
}
