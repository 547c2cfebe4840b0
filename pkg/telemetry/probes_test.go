package telemetry_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

func TestProbes(t *testing.T) {
	t.Parallel()
	cfg := telemetry.Config{MetricsEnabled: true, MetricsAddr: "127.0.0.1:0", MetricsToken: token}
	server := start(t, cfg, telemetry.NewMetrics())
	probe := func(path string, want int) {
		t.Helper()
		if got := status(t, server.Addr(), path); got != want {
			t.Errorf("%s: status %d, want %d", path, got, want)
		}
	}
	probe("/livez", http.StatusOK)
	probe("/readyz", http.StatusServiceUnavailable)
	var broken atomic.Bool
	server.SetReady(func(context.Context) error {
		if broken.Load() {
			return errors.New("not connected")
		}
		return nil
	})
	probe("/readyz", http.StatusOK)
	broken.Store(true)
	probe("/readyz", http.StatusServiceUnavailable)
	probe("/livez", http.StatusOK)
	probe("/metrics", http.StatusUnauthorized)
}
