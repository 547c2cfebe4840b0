package telemetry

import (
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// Config holds the settings of this package. MetricsAddr has no default here,
// since API and worker listen on different ports: the caller presets it.
type Config struct {
	LogLevel       string  `env:"LOG_LEVEL" envDefault:"error" doc:"Least severity that is logged: error, warn, info or debug."`
	MetricsEnabled bool    `env:"METRICS_ENABLED" envDefault:"off" doc:"Serve Prometheus metrics and pprof on METRICS_ADDR."`
	MetricsAddr    string  `env:"METRICS_ADDR" doc:"Address of metrics and pprof; keep it private."`
	SampleRate     float64 `env:"METRICS_SAMPLE_RATE" envDefault:"1" doc:"Share of the HTTP requests and upstream calls, from 0 to 1, whose duration is measured; all of them are counted."`
}

// Validate fails with a fault of LOG_LEVEL when the level is unknown, and of
// METRICS_ADDR when metrics are to be served on what is no address, and of
// METRICS_SAMPLE_RATE when it is no share.
func (c *Config) Validate() error {
	_, err := parseLevel(c.LogLevel)
	if c.MetricsEnabled {
		err = errors.Join(err, env.CheckAddress("METRICS_ADDR", c.MetricsAddr))
	}
	if !(c.SampleRate >= 0 && c.SampleRate <= 1) { // NaN is neither.
		err = errors.Join(err, &env.Fault{Name: "METRICS_SAMPLE_RATE", Expected: "a number between 0 and 1"})
	}
	return err
}
