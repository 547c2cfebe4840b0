package telemetry

import (
	"context"
	"log/slog"
	"sync"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// maxExportError bounds how much of an export's error is logged: it may carry the whole response of a collector.
const maxExportError = 300

// exporter exports spans by another exporter and logs when exports begin to fail and when they succeed again. It returns
// no error of an export, since the SDK would pass that to an error handler that the whole process shares.
type exporter struct {
	sdktrace.SpanExporter
	log *slog.Logger
	// aborted ends when exports under way are to be given up.
	aborted context.Context
	abort   context.CancelFunc

	mu      sync.Mutex
	failing bool
	// lost counts the spans that were dropped since exports began to fail.
	lost int
}

func newExporter(inner sdktrace.SpanExporter, log *slog.Logger) *exporter {
	aborted, abort := context.WithCancel(context.Background())
	return &exporter{SpanExporter: inner, log: log, aborted: aborted, abort: abort}
}

// ExportSpans sends a batch to the collector. It returns nil even when the batch is lost.
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

// failed logs an error unless the one before was logged already.
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
