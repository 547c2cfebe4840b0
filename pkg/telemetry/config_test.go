package telemetry_test

import (
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
	if want := (telemetry.Config{LogLevel: "error", MetricsAddr: "127.0.0.1:9091", SampleRate: 1}); cfg != want {
		t.Errorf("got %+v, want %+v", cfg, want)
	}
}

func TestConfigRefusesUnknownLevel(t *testing.T) {
	t.Parallel()
	err := env.Load([]string{"LOG_LEVEL=planted"}, &telemetry.Config{})
	if err == nil || err.Error() != "LOG_LEVEL: expected error, warn, info or debug" {
		t.Errorf("got %v", err)
	}
}

func TestConfigRefusesUnusableAddress(t *testing.T) {
	t.Parallel()
	for enabled, want := range map[string]bool{"on": true, "off": false} {
		err := env.Load([]string{"METRICS_ADDR=127.0.0.1:99999", "METRICS_ENABLED=" + enabled}, &telemetry.Config{})
		if (err != nil) != want {
			t.Errorf("metrics %s: %v", enabled, err)
		}
	}
}

func TestConfigRefusesWhatIsNoShare(t *testing.T) {
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
