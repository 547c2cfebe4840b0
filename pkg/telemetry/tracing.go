package telemetry

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// scopeName is the instrumentation scope of every span.
const scopeName = "github.com/text2image-audio/text2image-audio"

const (
	// exportTimeout bounds one export including its retries. Meanwhile up to 2048 spans are buffered; more are dropped.
	exportTimeout = 10 * time.Second
	// retryInitial and retryMax bound the delays between retries.
	retryInitial = time.Second
	retryMax     = 5 * time.Second
	// flushTimeout bounds the export of the remaining spans at shutdown.
	flushTimeout = 2 * time.Second
)

// Tracing creates and exports the spans of one process. A nil *Tracing is valid and records nothing. It is safe for
// concurrent use.
type Tracing struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	exporter *exporter
}

// NewTracing returns a Tracing that exports spans to cfg.Endpoint, in batches and in the background, until Stop. Spans
// that cannot be exported are dropped: a slow or unavailable collector delays nothing else. Without an endpoint it
// returns nil. The service name applies when cfg names none.
//
// It fails when a setting is invalid. It does not connect to the collector.
func NewTracing(ctx context.Context, cfg TracingConfig, service string, log *slog.Logger) (*Tracing, error) {
	if err := cfg.Validate(); err != nil || cfg.Endpoint == "" {
		return nil, err
	}
	url, err := cfg.tracesURL()
	if err != nil {
		return nil, err
	}
	headers, err := cfg.headers()
	if err != nil {
		return nil, err
	}
	if cfg.ServiceName != "" {
		service = cfg.ServiceName
	}
	version, _, _ := Version()
	// resource.Default would report a bad OTEL_RESOURCE_ATTRIBUTES on standard error.
	res, err := resource.New(ctx, resource.WithFromEnv(), resource.WithTelemetrySDK(), resource.WithAttributes(
		semconv.ServiceName(service), semconv.ServiceVersion(version), semconv.ServiceInstanceID(rand.Text())))
	if err != nil {
		return nil, &env.Fault{Name: "OTEL_RESOURCE_ATTRIBUTES", Expected: "key=value pairs separated by commas"}
	}
	otlp, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(url), otlptracehttp.WithHeaders(headers),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: retryInitial, MaxInterval: retryMax, MaxElapsedTime: exportTimeout,
		}))
	if err != nil {
		return nil, fmt.Errorf("create trace exporter: %w", err)
	}
	exporter := newExporter(otlp, log)
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter, sdktrace.WithExportTimeout(exportTimeout)),
		sdktrace.WithResource(res),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(cfg.SampleRatio))),
	)
	return &Tracing{provider: provider, tracer: provider.Tracer(scopeName), exporter: exporter}, nil
}

// Enabled reports whether spans are created.
func (t *Tracing) Enabled() bool { return t != nil }

// Stop exports the remaining spans and stops the background export. When ctx ends first, the rest is dropped. An
// unreachable collector is logged and not an error.
func (t *Tracing) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	defer t.exporter.abort()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.exporter.failed(ctx, err)
	}
	return nil
}

// StopStep returns Stop as a shutdown step. It must run last, so that the spans of the other steps are exported too. It
// takes at most two seconds.
func (t *Tracing) StopStep() lifecycle.Step {
	return lifecycle.Step{Name: "tracing", Stop: t.Stop, Limit: flushTimeout}
}
