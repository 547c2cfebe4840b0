package telemetry

import (
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// Config holds the settings of this package. MetricsAddr has no default here,
// since API and worker listen on different ports: the caller presets it.
type Config struct {
	LogLevel       string `env:"LOG_LEVEL" envDefault:"error" doc:"Least severity that is logged: error, warn, info or debug."`
	MetricsEnabled bool   `env:"METRICS_ENABLED" envDefault:"off" doc:"Serve Prometheus metrics and pprof on METRICS_ADDR."`
	MetricsAddr    string `env:"METRICS_ADDR" doc:"Address of metrics and pprof; keep it private."`
}

// Validate fails with a fault of LOG_LEVEL when the level is unknown, and of
// METRICS_ADDR when metrics are to be served on what is no address.
func (c *Config) Validate() error {
	_, err := parseLevel(c.LogLevel)
	if c.MetricsEnabled {
		err = errors.Join(err, env.CheckAddress("METRICS_ADDR", c.MetricsAddr))
	}
	return err
}
