package telemetry

import (
	"errors"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/hostname"
)

// Config holds the settings of this package. MetricsAddr has no default here,
// since API and worker listen on different ports: the caller presets it.
type Config struct {
	LogLevel       string     `env:"LOG_LEVEL" envDefault:"error" doc:"Least severity that is logged: error, warn, info or debug. info is recommended: it shows starts, stops, ended jobs and refused submissions. The command api log-level changes it for all processes without a restart."`
	MetricsEnabled bool       `env:"METRICS_ENABLED" envDefault:"off" doc:"Serve Prometheus metrics on METRICS_ADDR and, if that is a loopback address, pprof. The command api metrics changes it for all processes without a restart."`
	MetricsAddr    string     `env:"METRICS_ADDR" doc:"Address of the metrics. One beyond loopback needs METRICS_TOKEN or METRICS_PUBLIC=on, and serves no pprof."`
	MetricsToken   env.Secret `env:"METRICS_TOKEN" doc:"Token, of at least 8 characters, that METRICS_ADDR requires as Authorization: Bearer on every path but those of the probes; empty requires none."`
	MetricsPublic  bool       `env:"METRICS_PUBLIC" envDefault:"off" doc:"Serve metrics beyond loopback without a token to everybody who can reach METRICS_ADDR."`
	SampleRate     float64    `env:"METRICS_SAMPLE_RATE" envDefault:"1" doc:"Share of the HTTP requests and upstream calls, from 0 to 1, whose duration is measured; all of them are counted."`

	Tracing TracingConfig
}

// Validate fails with a fault of LOG_LEVEL when the level is unknown, and of
// METRICS_ADDR when metrics are to be served on what is no address, of
// METRICS_TOKEN when they are to be served beyond this machine without one, and
// of METRICS_SAMPLE_RATE when it is no share, and as TracingConfig.Validate does.
func (c *Config) Validate() error {
	_, err := parseLevel(c.LogLevel)
	if c.MetricsEnabled {
		err = errors.Join(err, env.CheckAddress("METRICS_ADDR", c.MetricsAddr), c.checkAccess())
	}
	if !(c.SampleRate >= 0 && c.SampleRate <= 1) { // NaN is neither.
		err = errors.Join(err, &env.Fault{Name: "METRICS_SAMPLE_RATE", Expected: "a number between 0 and 1"})
	}
	return errors.Join(err, c.Tracing.Validate())
}

// minToken is the least length of METRICS_TOKEN.
const minToken = 8

// checkAccess fails when metrics would be served to others than this machine
// without anybody having said so.
func (c *Config) checkAccess() error {
	if c.MetricsToken != "" {
		if len(strings.TrimSpace(c.MetricsToken.Reveal())) < minToken {
			return &env.Fault{Name: "METRICS_TOKEN", Expected: "at least 8 characters"}
		}
		return nil
	}
	if c.MetricsPublic || env.CheckAddress("METRICS_ADDR", c.MetricsAddr) != nil || hostname.IsLoopbackAddress(c.MetricsAddr) {
		return nil
	}
	return &env.Fault{Name: "METRICS_TOKEN", Expected: "a token, since METRICS_ADDR is not a loopback address, or METRICS_PUBLIC=on"}
}
