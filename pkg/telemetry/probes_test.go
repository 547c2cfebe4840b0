package telemetry_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

func TestProbes(t *testing.T) {
	t.Parallel()
	cfg := telemetry.Config{MetricsEnabled: true, MetricsAddr: "127.0.0.1:0", MetricsToken: "a token of the tests"}
	server := telemetry.NewServer(cfg, telemetry.NewMetrics(), slog.New(slog.DiscardHandler))
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(context.WithoutCancel(t.Context())) })
	probe := func(path string, want int) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+server.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, resp.StatusCode, want)
		}
	}
	probe("/livez", http.StatusOK)
	probe("/readyz", http.StatusServiceUnavailable)
	var broken atomic.Bool
	server.SetReady(func(context.Context) error {
		if broken.Load() {
			return errors.New("NATS is away")
		}
		return nil
	})
	probe("/readyz", http.StatusOK)
	broken.Store(true)
	probe("/readyz", http.StatusServiceUnavailable)
	probe("/livez", http.StatusOK)
	probe("/metrics", http.StatusUnauthorized)
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}
