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

// Attributes of our own. None of any span holds a user's words, address, name, e-mail or token, nor what an upstream said.
const (
	attrRequestID = attribute.Key("request.id")
	attrJobID     = attribute.Key("job.id")
	attrJobKind   = attribute.Key("job.kind")
	attrAttempt   = attribute.Key("job.attempt")
	attrDelivery  = attribute.Key("job.delivery")
	attrVerdict   = attribute.Key("job.verdict")
	attrStatus    = attribute.Key("job.status")
)

// messagingSystem names NATS, for which the semantic conventions have no constant.
var messagingSystem = semconv.MessagingSystemKey.String("nats")

// Span is a span under way. The zero Span records nothing, and all methods are then cheap.
type Span struct{ span trace.Span }

func (s Span) recording() bool { return s.span != nil && s.span.IsRecording() }

// End ends the span. Nothing can be recorded after that.
func (s Span) End() {
	if s.span != nil {
		s.span.End()
	}
}

// Fail marks the span as failed with an error code, which must be one of a known few.
func (s Span) Fail(code string) {
	if s.recording() {
		s.span.SetStatus(codes.Error, code)
		s.span.SetAttributes(semconv.ErrorTypeKey.String(code))
	}
}

// ErrorCode records an error code on a span that has not failed: a request that was refused, or a call that was canceled.
func (s Span) ErrorCode(code string) {
	if s.recording() {
		s.span.SetAttributes(semconv.ErrorTypeKey.String(code))
	}
}

// HTTPStatus records the status of an HTTP response.
func (s Span) HTTPStatus(status int) {
	if s.recording() {
		s.span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	}
}

// Verdict records what follows from an attempt.
func (s Span) Verdict(verdict string) {
	if s.recording() {
		s.span.SetAttributes(attrVerdict.String(verdict))
	}
}

// JobStatus records how a job ended.
func (s Span) JobStatus(status string) {
	if s.recording() {
		s.span.SetAttributes(attrStatus.String(status))
	}
}

// StartRequest starts the span of a request to this server, below the caller's when the headers name one. The route is
// the pattern that matched, empty when none did; the method must be a known one.
func (t *Tracing) StartRequest(ctx context.Context, method, route string, header http.Header) (context.Context, Span) {
	if t == nil {
		return ctx, Span{}
	}
	name, attrs := method, []attribute.KeyValue{semconv.HTTPRequestMethodKey.String(method), attrRequestID.String(RequestID(ctx))}
	if route != "" {
		name += " " + route
		attrs = append(attrs, semconv.HTTPRoute(route))
	}
	ctx, span := t.tracer.Start(extractRequest(ctx, header), name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(attrs...))
	return ctx, Span{span}
}

// StartSend starts the span of putting a job into the queue, below the one in ctx. Without one it records nothing.
func StartSend(ctx context.Context, kind, id string) (context.Context, Span) {
	return startChild(ctx, trace.SpanKindProducer, func() (string, []attribute.KeyValue) {
		return "send " + destination(kind), append(jobAttributes(kind, id),
			messagingSystem, semconv.MessagingOperationTypeSend, semconv.MessagingOperationName("send"), semconv.MessagingDestinationName(destination(kind)))
	})
}

// WithMessage returns ctx with the span of a message's sender, so that log lines and spans join its trace.
func (t *Tracing) WithMessage(ctx context.Context, header map[string][]string) context.Context {
	if t == nil {
		return ctx
	}
	return extractMessage(ctx, header)
}

// StartProcess starts the span of an attempt of a job, below the one of its sender, which WithMessage has put into ctx.
// From the second delivery on it has a link to the sender's as well, by which tools tell redeliveries apart.
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

// StartSettle starts the span of storing how a job ended, below the one in ctx, be it of another process.
func (t *Tracing) StartSettle(ctx context.Context, kind, id string) (context.Context, Span) {
	if t == nil || !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, Span{}
	}
	ctx, span := t.tracer.Start(ctx, "settle "+destination(kind), trace.WithAttributes(jobAttributes(kind, id)...))
	return ctx, Span{span}
}

// StartCall starts the span of one HTTP request to an upstream, below the one in ctx; without one it records nothing. Of
// the URL it takes host and port alone, since path and query may hold a prompt.
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

// startChild starts a span below the local one in ctx. Without one that is recorded it costs nothing and returns ctx.
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

// destination is where jobs of a kind are sent to. The subject itself holds the owner.
func destination(kind string) string { return "jobs." + kind }
