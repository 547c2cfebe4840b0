package telemetry_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	cfg := telemetry.Config{MetricsAddr: "127.0.0.1:9091"}
	if err := env.Load(nil, &cfg); err != nil {
		t.Fatal(err)
	}
	if want := (telemetry.Config{LogLevel: "error", MetricsAddr: "127.0.0.1:9091", SampleRate: 1, Tracing: telemetry.TracingConfig{SampleRatio: 1}}); cfg != want {
		t.Errorf("got %+v, want %+v", cfg, want)
	}
}

func TestConfigRejectsUnknownLevel(t *testing.T) {
	t.Parallel()
	err := env.Load([]string{"LOG_LEVEL=planted"}, &telemetry.Config{})
	if err == nil || err.Error() != "LOG_LEVEL: expected error, warn, info or debug" {
		t.Errorf("got %v", err)
	}
}

func TestConfigRejectsInvalidAddress(t *testing.T) {
	t.Parallel()
	for enabled, want := range map[string]bool{"on": true, "off": false} {
		err := env.Load([]string{"METRICS_ADDR=127.0.0.1:99999", "METRICS_ENABLED=" + enabled}, &telemetry.Config{})
		if (err != nil) != want {
			t.Errorf("metrics %s: %v", enabled, err)
		}
	}
}

func TestConfigRejectsInvalidSampleRate(t *testing.T) {
	t.Parallel()
	for rate, ok := range map[string]bool{
		"": true, "0": true, "0.25": true, "1": true, "1.01": false, "-0.1": false, "NaN": false, "10%": false, "Inf": false,
	} {
		err := env.Load([]string{"METRICS_SAMPLE_RATE=" + rate}, &telemetry.Config{})
		if (err == nil) != ok {
			t.Errorf("%q: %v", rate, err)
		}
	}
}

// TestConfigRejectsOpenMetrics checks that other machines can read metrics only with a token or METRICS_PUBLIC.
func TestConfigRejectsOpenMetrics(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		environ []string
		ok      bool
	}{
		{[]string{"METRICS_ADDR=127.0.0.1:9091"}, true},
		{[]string{"METRICS_ADDR=127.8.8.8:9091"}, true},
		{[]string{"METRICS_ADDR=localhost:9091"}, true},
		{[]string{"METRICS_ADDR=[::1]:9091"}, true},
		{[]string{"METRICS_ADDR=:9091"}, false},
		{[]string{"METRICS_ADDR=0.0.0.0:9091"}, false},
		{[]string{"METRICS_ADDR=[::]:9091"}, false},
		{[]string{"METRICS_ADDR=10.0.0.1:9091"}, false},
		{[]string{"METRICS_ADDR=metrics.internal:9091"}, false},
		{[]string{"METRICS_ADDR=:9091", "METRICS_ENABLED=off"}, true},
		{[]string{"METRICS_ADDR=:9091", "METRICS_PUBLIC=on"}, true},
		{[]string{"METRICS_ADDR=:9091", "METRICS_PUBLIC=off"}, false},
		{[]string{"METRICS_ADDR=:9091", "METRICS_TOKEN=0123456789abcdef"}, true},
		{[]string{"METRICS_ADDR=:9091", "METRICS_TOKEN=short"}, false},
		{[]string{"METRICS_ADDR=:9091", "METRICS_TOKEN=        "}, false},
		{[]string{"METRICS_ADDR=127.0.0.1:9091", "METRICS_TOKEN=short"}, false},
	} {
		err := env.Load(append([]string{"METRICS_ENABLED=on"}, tc.environ...), &telemetry.Config{}) // The last of two values wins.
		if (err == nil) != tc.ok || (err != nil && !strings.Contains(err.Error(), "METRICS_TOKEN: expected ")) {
			t.Errorf("%v: %v", tc.environ, err)
		}
	}
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte("0123456789abcdef\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var cfg telemetry.Config
	if err := env.Load([]string{"METRICS_ENABLED=on", "METRICS_ADDR=:9091", "METRICS_TOKEN_FILE=" + file}, &cfg); err != nil || cfg.MetricsToken != "0123456789abcdef" {
		t.Errorf("from a file: %v", err)
	}
}
