package telemetry_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

func TestLevel(t *testing.T) {
	t.Parallel()
	if _, err := telemetry.NewLevel("loud"); err == nil || !strings.Contains(err.Error(), "LOG_LEVEL") {
		t.Errorf("an unknown level: %v", err)
	}
	level, err := telemetry.NewLevel("WARN")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log := telemetry.NewLoggerAt(&out, level)
	child := log.With("a", 1).WithGroup("g")
	child.Info("before")
	if err := level.Set("info"); err != nil || level.String() != "info" || level.Initial() != "warn" {
		t.Errorf("%s, %s, %v", level, level.Initial(), err)
	}
	child.Info("during")
	child.Debug("below the level")
	if err := level.Set("loud"); err == nil || level.String() != "info" {
		t.Errorf("%s, %v", level, err)
	}
	if err := level.Set(""); err != nil || level.String() != "warn" {
		t.Errorf("%s, %v", level, err)
	}
	log.Info("after")
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "during") {
		t.Errorf("logged %s", got)
	}
}

// status returns the status of a path of a server; 0 if nothing listens.
func status(t *testing.T, address, path string) int {
	t.Helper()
	resp, err := tryGet(t, "http://"+address+path, "")
	if err != nil {
		return 0
	}
	return resp.StatusCode
}

// stopAtEnd stops a runtime and its server when the test ends, and checks that the server cannot be switched on again.
func stopAtEnd(t *testing.T, r *telemetry.Runtime, s *telemetry.Server) {
	t.Helper()
	t.Cleanup(func() {
		for _, stop := range []func(context.Context) error{r.Stop, s.Stop} {
			if err := stop(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		}
		if err := s.Switch(context.WithoutCancel(t.Context()), true); err != nil || s.Addr() != "" {
			t.Errorf("a stopped server listens again: %q, %v", s.Addr(), err)
		}
	})
}

// TestSwitchMetrics switches the metrics of a process that starts with them on and of one that starts with them off.
func TestSwitchMetrics(t *testing.T) {
	t.Parallel()
	for _, enabled := range []bool{true, false} {
		var out bytes.Buffer
		cfg := telemetry.Config{MetricsEnabled: enabled, MetricsAddr: "127.0.0.1:0", LogLevel: "error"}
		server := telemetry.NewServer(cfg, telemetry.NewMetrics(), slog.New(slog.DiscardHandler))
		if err := server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		level, err := telemetry.NewLevel("error")
		if err != nil {
			t.Fatal(err)
		}
		runtime := telemetry.NewRuntime(level, server, telemetry.NewLoggerAt(&out, level))
		stopAtEnd(t, runtime, server)
		runtime.Apply(t.Context(), "", "")
		if server.Serving() != enabled || out.Len() > 0 {
			t.Errorf("enabled %v, nothing set: serving %v, logged %s", enabled, server.Serving(), &out)
		}
		for range 2 {
			runtime.Apply(t.Context(), "debug", "on")
			if got := status(t, server.Addr(), "/metrics"); got != http.StatusOK {
				t.Errorf("enabled %v, on: %d", enabled, got)
			}
			address := server.Addr()
			runtime.Apply(t.Context(), "debug", "off")
			metrics, live := status(t, address, "/metrics"), status(t, address, "/livez")
			if enabled && (metrics != http.StatusServiceUnavailable || live != http.StatusOK) {
				t.Errorf("off: metrics %d, probe %d", metrics, live)
			}
			if !enabled && (metrics != 0 || live != 0) {
				t.Errorf("off: the server still listens: %d, %d", metrics, live)
			}
		}
		runtime.Apply(t.Context(), "", "")
		if server.Serving() != enabled || level.String() != "error" {
			t.Errorf("enabled %v, reset: %v, %s", enabled, server.Serving(), level)
		}
		for _, want := range []string{`"msg":"log level changed","before":"error","after":"debug"`, `"msg":"metrics switched","before":true,"after":false`} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("not logged: %s in %s", want, &out)
			}
		}
	}
}

// TestSwitchMetricsFails switches metrics on where they would be public without a token, and where the address is in use.
func TestSwitchMetricsFails(t *testing.T) {
	t.Parallel()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	for address, want := range map[string]string{"0.0.0.0:0": "METRICS_TOKEN", listener.Addr().String(): "address already in use"} {
		var out bytes.Buffer
		server := telemetry.NewServer(telemetry.Config{MetricsAddr: address, LogLevel: "error"}, telemetry.NewMetrics(), slog.New(slog.DiscardHandler))
		runtime := telemetry.NewRuntime(nil, server, slog.New(slog.NewJSONHandler(&out, nil)))
		stopAtEnd(t, runtime, server)
		runtime.Apply(t.Context(), "debug", "on")
		if server.Serving() || server.Addr() != "" || !strings.Contains(out.String(), "metrics not switched") || !strings.Contains(out.String(), want) {
			t.Errorf("%s: serving %v, logged %s", address, server.Serving(), &out)
		}
	}
}
