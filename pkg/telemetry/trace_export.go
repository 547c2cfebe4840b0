package telemetry

import (
	"context"
	"log/slog"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// maxExportError bounds the logged error of an export, which may hold the whole response of a collector.
const maxExportError = 300

// exporter wraps an exporter and logs when exports start to fail and when they succeed again. It returns no export errors,
// because the SDK would pass them to its global error handler.
type exporter struct {
	sdktrace.SpanExporter
	log *slog.Logger
	// aborted is canceled to abort running exports.
	aborted context.Context
	abort   context.CancelFunc

	mu      sync.Mutex
	failing bool
	// lost counts the spans dropped since exports started to fail.
	lost int
}

func newExporter(inner sdktrace.SpanExporter, log *slog.Logger) *exporter {
	aborted, abort := context.WithCancel(context.Background())
	return &exporter{SpanExporter: inner, log: log, aborted: aborted, abort: abort}
}

// ExportSpans sends a batch to the collector. It returns nil even if the batch is lost.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.aborted, cancel)()
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err != nil {
		e.mu.Lock()
		e.lost += len(spans)
		e.mu.Unlock()
		e.failed(ctx, err)
		return nil
	}
	e.mu.Lock()
	recovered, lost := e.failing, e.lost
	e.failing, e.lost = false, 0
	e.mu.Unlock()
	if recovered {
		e.log.InfoContext(ctx, "traces are exported again", slog.Int("lost_spans", lost))
	}
	return nil
}

// failed logs the first of several consecutive errors.
func (e *exporter) failed(ctx context.Context, err error) {
	e.mu.Lock()
	known := e.failing
	e.failing = true
	e.mu.Unlock()
	if known {
		return
	}
	text := err.Error()
	if len(text) > maxExportError {
		text = text[:maxExportError] + "…"
	}
	e.log.WarnContext(ctx, "traces cannot be exported, spans are dropped", slog.String("error", text))
}
