package telemetry

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Attributes of this project. No span holds a user's text, IP address, name, email address or token, or an upstream's
// response.
const (
	attrRequestID = attribute.Key("request.id")
	attrJobID     = attribute.Key("job.id")
	attrJobKind   = attribute.Key("job.kind")
	attrAttempt   = attribute.Key("job.attempt")
	attrDelivery  = attribute.Key("job.delivery")
	attrVerdict   = attribute.Key("job.verdict")
	attrStatus    = attribute.Key("job.status")
)

// messagingSystem is NATS, for which the semantic conventions define no constant.
var messagingSystem = semconv.MessagingSystemKey.String("nats")

// Span is a running span. The zero Span records nothing at almost no cost.
type Span struct{ span trace.Span }

func (s Span) recording() bool { return s.span != nil && s.span.IsRecording() }

// End ends the span. Nothing can be recorded on it afterwards.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

func (s Span) set(attr attribute.KeyValue) {
	if s.recording() {
		s.span.SetAttributes(attr)
	}
}

// Fail marks the span as failed with one of the known error codes.
func (s Span) Fail(code string) {
	if s.recording() {
		s.span.SetStatus(codes.Error, code)
		s.ErrorCode(code)
	}
}

// ErrorCode records an error code on a span that has not failed, such as that of a rejected request or a canceled call.
func (s Span) ErrorCode(code string) { s.set(semconv.ErrorTypeKey.String(code)) }

// HTTPStatus records the status of an HTTP response.
func (s Span) HTTPStatus(status int) { s.set(semconv.HTTPResponseStatusCode(status)) }

// Verdict records the verdict on an attempt.
func (s Span) Verdict(verdict string) { s.set(attrVerdict.String(verdict)) }

// JobStatus records the final status of a job.
func (s Span) JobStatus(status string) { s.set(attrStatus.String(status)) }

// StartRequest starts the span of a request to this server, as a child of the span in the headers, if any. The route is the
// pattern that matched, or empty; the method must be a known one.
func (t *Tracing) StartRequest(ctx context.Context, method, route string, header http.Header) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	name, attrs := method, []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(method), attrRequestID.String(RequestID(ctx))}
	if route != "" {
		name += " " + route
		attrs = append(attrs, semconv.HTTPRoute(route))
	}
	ctx, span := t.tracer.Start(extract(ctx, header.Get(traceParent)), name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attrs...))
	return ctx, Span{span}
}

// StartSend starts the span of publishing a job, as a child of the span in ctx. Without one it records nothing.
func StartSend(ctx context.Context, kind, id string) (context.Context, Span) {
	return startChild(ctx, trace.SpanKindProducer, func() (string, []attribute.KeyValue) {
		return "send " + destination(kind), append(jobAttributes(kind, id),
			messagingSystem, semconv.MessagingOperationTypeSend, semconv.MessagingOperationName("send"), semconv.MessagingDestinationName(destination(kind)))
	})
}

// WithMessage returns ctx with the span of the sender of a message, so that log records and spans join its trace.
func (t *Tracing) WithMessage(ctx context.Context, header map[string][]string) context.Context {
	if t == nil {
		return ctx
	}
	if values := header[traceParent]; len(values) > 0 {
		return extract(ctx, values[0])
	}
	return ctx
}

// StartProcess starts the span of an attempt, as a child of the sender's span that WithMessage has put into ctx. From the
// second delivery on it also links to that span, which marks redeliveries.
func (t *Tracing) StartProcess(ctx context.Context, kind, id string, attempt int, delivery uint64) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	options := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(append(jobAttributes(kind, id),
			messagingSystem, semconv.MessagingOperationTypeProcess, semconv.MessagingOperationName("process"),
			semconv.MessagingDestinationName(destination(kind)), attrRequestID.String(RequestID(ctx)),
			attrAttempt.Int(attempt), attrDelivery.Int64(int64(min(delivery, 1<<62))))...),
	}
	if sender := trace.SpanContextFromContext(ctx); delivery > 1 && sender.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: sender}))
	}
	ctx, span := t.tracer.Start(context.WithValue(ctx, attemptKey, attempt), "process "+destination(kind), options...)
	return ctx, Span{span}
}

// StartSettle starts the span of a settlement, as a child of the span in ctx, which may belong to another process.
func (t *Tracing) StartSettle(ctx context.Context, kind, id string) (context.Context, Span) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, "settle "+destination(kind), trace.WithAttributes(jobAttributes(kind, id)...))
	return ctx, Span{span}
}

// StartCall starts the span of an HTTP request to an upstream, as a child of the span in ctx; without one it records
// nothing. It records only the host and port of the URL, because path and query may hold a prompt.
func StartCall(ctx context.Context, upstream, method, target string) (context.Context, Span) {
	return startChild(ctx, trace.SpanKindClient, func() (string, []attribute.KeyValue) {
		attrs := []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(method), semconv.ServicePeerName(upstream)}
		if u, err := url.Parse(target); err == nil {
			attrs = append(attrs, semconv.ServerAddress(u.Hostname()))
			if port, err := strconv.Atoi(u.Port()); err == nil {
				attrs = append(attrs, semconv.ServerPort(port))
			}
		}
		if attempt, ok := ctx.Value(attemptKey).(int); ok {
			attrs = append(attrs, attrAttempt.Int(attempt))
		}
		return method + " " + upstream, attrs
	})
}

// startChild starts a child of the local span in ctx. If that is not recorded, it returns ctx and calls nothing.
func startChild(ctx context.Context, kind trace.SpanKind, describe func() (string, []attribute.KeyValue)) (context.Context, Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, Span{}
	}
	name, attrs := describe()
	ctx, span := parent.TracerProvider().Tracer(scopeName).Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(attrs...))
	return ctx, Span{span}
}

func jobAttributes(kind, id string) []attribute.KeyValue {
	return []attribute.KeyValue{attrJobKind.String(kind), attrJobID.String(id)}
}

// destination is the destination name for a kind of job: its subject without the owner.
func destination(kind string) string { return "jobs." + kind }
