package telemetry

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// traceParent is the header of W3C Trace Context, as the standard spells it. NATS headers are case-sensitive.
//
// Its companion tracestate is neither read nor written: it belongs to other vendors, and a caller could have up to 16 KB
// of it stored with every job.
const traceParent = "traceparent"

// propagator reads and writes trace context.
var propagator = propagation.TraceContext{}

// TraceHeader returns the headers that take the span in ctx along with a message, or nil when there is none.
func TraceHeader(ctx context.Context) map[string][]string {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return nil
	}
	header := make(map[string][]string, 1)
	propagator.Inject(ctx, messageCarrier(header))
	return header
}

// extractMessage returns ctx with the span that the headers of a message name as the parent of spans to come.
func extractMessage(ctx context.Context, header map[string][]string) context.Context {
	return propagator.Extract(ctx, messageCarrier(header))
}

// extractRequest is extractMessage for a request, whose headers net/http has given their canonical names.
func extractRequest(ctx context.Context, header http.Header) context.Context {
	return propagator.Extract(ctx, requestCarrier(header))
}

// messageCarrier is the headers of a message, of which only traceparent is used.
type messageCarrier map[string][]string

// Get returns the first value of traceparent, and nothing for any other header.
func (c messageCarrier) Get(key string) string {
	if values := c[key]; key == traceParent && len(values) > 0 {
		return values[0]
	}
	return ""
}

// Set replaces traceparent and ignores every other header.
func (c messageCarrier) Set(key, value string) {
	if key == traceParent {
		c[key] = []string{value}
	}
}

// Keys returns the names of the headers that Get knows.
func (c messageCarrier) Keys() []string { return []string{traceParent} }

// requestCarrier is the headers of a request, of which only traceparent is read.
type requestCarrier http.Header

// Get returns the first value of traceparent, and nothing for any other header.
func (c requestCarrier) Get(key string) string {
	if key == traceParent {
		return http.Header(c).Get(key)
	}
	return ""
}

// Set does nothing: requests are only read.
func (c requestCarrier) Set(string, string) {}

// Keys returns the names of the headers that Get knows.
func (c requestCarrier) Keys() []string { return []string{traceParent} }
