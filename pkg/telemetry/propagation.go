package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceParent is the header of W3C Trace Context. NATS headers are case-sensitive.
//
// Its companion tracestate is neither read nor written: it is meant for other vendors, and a caller could have up to 16 KB
// of it stored with every job.
const traceParent = "traceparent"

// propagator reads and writes trace context.
var propagator = propagation.TraceContext{}

// TraceHeader returns the message headers that carry the span in ctx, or nil if there is none.
func TraceHeader(ctx context.Context) map[string][]string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil
	}
	carrier := propagation.MapCarrier{}
	propagator.Inject(ctx, carrier)
	return map[string][]string{traceParent: {carrier[traceParent]}}
}

// extract returns ctx with the span that a traceparent header names as the parent of new spans.
func extract(ctx context.Context, parent string) context.Context {
	if parent == "" {
		return ctx
	}
	return propagator.Extract(ctx, propagation.MapCarrier{traceParent: parent})
}
