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

// WithRequestID returns a context whose log lines carry the id of a request.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey, id)
}

// RequestID returns the id of the request that ctx belongs to, or nothing.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey).(string)
	return id
}

// WithJobID returns a context whose log lines carry the id of a job.
func WithJobID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, jobKey, id)
}

// JobID returns the id of the job that ctx belongs to, or nothing.
func JobID(ctx context.Context) string {
	id, _ := ctx.Value(jobKey).(string)
	return id
}

// contextAttrs returns the ids that ctx holds.
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
