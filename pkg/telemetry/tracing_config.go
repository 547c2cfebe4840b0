package telemetry

import (
	"errors"
	"net/url"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// TracingConfig holds the settings of tracing under OpenTelemetry's standard names. The OpenTelemetry SDK reads more of
// them itself, such as OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_BSP_SCHEDULE_DELAY and OTEL_RESOURCE_ATTRIBUTES.
type TracingConfig struct {
	Endpoint    string     `env:"OTEL_EXPORTER_OTLP_ENDPOINT" doc:"Base URL of a collector that accepts OpenTelemetry traces as OTLP over HTTP, such as http://localhost:4318; /v1/traces is appended. Tracing is off if empty."`
	Headers     env.Secret `env:"OTEL_EXPORTER_OTLP_HEADERS" doc:"Headers that the collector requires, as key=value pairs separated by commas, with values percent-encoded."`
	ServiceName string     `env:"OTEL_SERVICE_NAME" doc:"Name of this service in traces; text2image-api or text2image-worker if empty."`
	SampleRatio float64    `env:"OTEL_TRACES_SAMPLER_ARG" envDefault:"1" doc:"Fraction of requests, from 0 to 1, that are traced. A request with a traceparent header follows its caller's decision, and a job that of its request."`
}

// Validate returns all errors at once, each naming its variable.
func (c *TracingConfig) Validate() error {
	var errs []error
	if _, err := c.tracesURL(); c.Endpoint != "" && err != nil {
		errs = append(errs, err)
	}
	if _, err := c.headers(); err != nil {
		errs = append(errs, err)
	}
	if !(c.SampleRatio >= 0 && c.SampleRatio <= 1) { // NaN is neither.
		errs = append(errs, &env.Fault{Name: "OTEL_TRACES_SAMPLER_ARG", Expected: "a number between 0 and 1"})
	}
	return errors.Join(errs...)
}

// tracesURL returns the URL to which traces are sent.
func (c *TracingConfig) tracesURL() (string, error) {
	u, err := url.Parse(c.Endpoint)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "", u.RawQuery != "", u.Fragment != "":
		return "", &env.Fault{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Expected: "a URL such as http://localhost:4318"}
	case u.User != nil:
		return "", &env.Fault{Name: "OTEL_EXPORTER_OTLP_ENDPOINT", Expected: "a URL without credentials, which belong in OTEL_EXPORTER_OTLP_HEADERS"}
	}
	return u.JoinPath("v1", "traces").String(), nil
}

// headers returns the headers of every export.
func (c *TracingConfig) headers() (map[string]string, error) {
	headers := make(map[string]string)
	for pair := range strings.SplitSeq(c.Headers.Reveal(), ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, found := strings.Cut(pair, "=")
		key = strings.TrimSpace(key)
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !found || err != nil || !httpguts.ValidHeaderFieldName(key) || !httpguts.ValidHeaderFieldValue(value) {
			return nil, &env.Fault{Name: "OTEL_EXPORTER_OTLP_HEADERS", Expected: "key=value pairs separated by commas, such as api-key=secret"}
		}
		headers[key] = value
	}
	return headers, nil
}
