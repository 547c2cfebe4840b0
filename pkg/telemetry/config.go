package telemetry

import (
	"errors"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/hostname"
)

// Config holds the settings of this package. MetricsAddr has no default here,
// because the API and the worker listen on different ports; the caller sets one.
type Config struct {
	LogLevel       string     `env:"LOG_LEVEL" envDefault:"error" doc:"Lowest level that is logged: error, warn, info or debug. info is recommended: it shows starts, stops, finished jobs and rejected submissions. The command api log-level changes it for all processes without a restart."`
	MetricsEnabled bool       `env:"METRICS_ENABLED" envDefault:"off" doc:"Serve Prometheus metrics on METRICS_ADDR and, if that is a loopback address, pprof. The command api metrics changes it for all processes without a restart."`
	MetricsAddr    string     `env:"METRICS_ADDR" doc:"Address that serves the metrics. A non-loopback address needs METRICS_TOKEN or METRICS_PUBLIC=on, and does not serve pprof."`
	MetricsToken   env.Secret `env:"METRICS_TOKEN" doc:"Token of at least 8 characters that METRICS_ADDR requires as Authorization: Bearer on every path except the probes; none if empty."`
	MetricsPublic  bool       `env:"METRICS_PUBLIC" envDefault:"off" doc:"Serve metrics on a non-loopback address without a token, to anyone who can reach METRICS_ADDR."`
	SampleRate     float64    `env:"METRICS_SAMPLE_RATE" envDefault:"1" doc:"Fraction of HTTP requests and upstream calls, from 0 to 1, whose duration is measured; all of them are counted."`

	Tracing TracingConfig
}

// Validate fails when LOG_LEVEL is unknown, when METRICS_SAMPLE_RATE is not between
// 0 and 1, and as TracingConfig.Validate does. With metrics enabled it also fails
// when METRICS_ADDR is invalid, or reachable from other machines without
// METRICS_TOKEN or METRICS_PUBLIC. The error names every invalid variable.
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

// minToken is the minimum length of METRICS_TOKEN.
const minToken = 8

// checkAccess fails when other machines could read the metrics although neither a
// token nor METRICS_PUBLIC is set.
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
