package telemetry

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
)

// contextKey is the type of this package's keys in a context.
type contextKey int

const (
	requestKey contextKey = iota
	jobKey
	attemptKey
)

// WithRequestID returns a context whose log records carry a request id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey, id)
}

// RequestID returns the request id in ctx, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey).(string)
	return id
}

// WithJobID returns a context whose log records carry a job id.
func WithJobID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, jobKey, id)
}

// JobID returns the job id in ctx, or "".
func JobID(ctx context.Context) string {
	id, _ := ctx.Value(jobKey).(string)
	return id
}

// contextAttrs returns the ids in ctx.
func contextAttrs(ctx context.Context) []slog.Attr {
	var attrs []slog.Attr
	if id := RequestID(ctx); id != "" {
		attrs = append(attrs, slog.String("request_id", id))
	}
	if id := JobID(ctx); id != "" {
		attrs = append(attrs, slog.String("job_id", id))
	}
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		attrs = append(attrs, slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return attrs
}
