package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry/tracetest"
)

// parent is the traceparent of a sampled span with these ids.
const (
	parentTrace = "0af7651916cd43dd8448eb211c80319c"
	parentSpan  = "b7ad6b7169203331"
	parent      = "00-" + parentTrace + "-" + parentSpan + "-01"
)

func newTracing(t *testing.T, cfg telemetry.TracingConfig, log *slog.Logger) *telemetry.Tracing {
	t.Helper()
	tracing, err := telemetry.NewTracing(t.Context(), cfg, "test", log)
	if err != nil {
		t.Fatal(err)
	}
	return tracing
}

func stopTracing(t *testing.T, tracing *telemetry.Tracing) {
	t.Helper()
	if err := tracing.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// find returns the spans with the given name.
func find(spans []tracetest.Span, name string) []tracetest.Span {
	return slices.DeleteFunc(spans, func(s tracetest.Span) bool { return s.Name != name })
}

func TestTraceOfAJob(t *testing.T) {
	t.Parallel()
	c := tracetest.Start(t)
	cfg := telemetry.TracingConfig{Endpoint: c.URL + "/base/", Headers: "x-key=a%20b", SampleRatio: 0}
	tracing := newTracing(t, cfg, slog.New(slog.DiscardHandler))
	ctx := telemetry.WithRequestID(t.Context(), "r1")
	ctx, request := tracing.StartRequest(ctx, "POST", "/api/jobs", http.Header{"Traceparent": {parent}, "Tracestate": {"vendor=planted"}})
	sending, send := telemetry.StartSend(ctx, "image", "j1")
	header := telemetry.TraceHeader(sending)
	if len(header) != 1 || len(header["traceparent"]) != 1 {
		t.Fatalf("the message has the headers %v", header)
	}
	send.Fail("queue_full")
	send.End()
	request.HTTPStatus(503)
	request.Fail("queue_full")
	request.End()
	for delivery := range uint64(2) {
		ctx := tracing.WithMessage(telemetry.WithRequestID(context.Background(), "r1"), header)
		ctx, process := tracing.StartProcess(ctx, "image", "j1", 1, delivery+1)
		_, call := telemetry.StartCall(ctx, "pollinations-image", "GET", "http://127.0.0.1:99/image/planted?token=planted")
		call.HTTPStatus(200)
		call.End()
		_, settle := tracing.StartSettle(ctx, "image", "j1")
		settle.JobStatus("succeeded")
		settle.End()
		process.Verdict("succeed")
		process.End()
	}
	stopTracing(t, tracing)
	if got := c.Header().Get("X-Key"); got != "a b" {
		t.Errorf("the collector got the key %q", got)
	}
	if bytes.Contains(c.Raw(), []byte("planted")) {
		t.Error("path, query or tracestate were exported")
	}
	spans := c.Spans()
	for _, s := range spans {
		if s.TraceID != parentTrace || s.Service != "test" {
			t.Errorf("%s is in the trace %s of %s", s.Name, s.TraceID, s.Service)
		}
	}
	sent := find(c.Spans(), "send jobs.image")
	processed := find(c.Spans(), "process jobs.image")
	if len(spans) != 8 || len(sent) != 1 || len(processed) != 2 {
		t.Fatalf("got %d spans: %+v", len(spans), spans)
	}
	server := find(c.Spans(), "POST /api/jobs")[0]
	if server.ParentID != parentSpan || server.Kind != "SERVER" || !server.Failed || server.Error != "queue_full" ||
		server.Attributes["http.route"] != "/api/jobs" || server.Attributes["http.response.status_code"] != "503" || server.Attributes["request.id"] != "r1" {
		t.Errorf("request: %+v", server)
	}
	if sent[0].ParentID != server.SpanID || sent[0].Kind != "PRODUCER" || sent[0].Attributes["messaging.destination.name"] != "jobs.image" {
		t.Errorf("send: %+v", sent[0])
	}
	for n, p := range processed {
		want := []string(nil)
		if n == 1 {
			want = []string{sent[0].SpanID}
		}
		if p.ParentID != sent[0].SpanID || p.Kind != "CONSUMER" || !slices.Equal(p.Links, want) || p.Attributes["job.id"] != "j1" || p.Failed {
			t.Errorf("process: %+v", p)
		}
		call := find(c.Spans(), "GET pollinations-image")[n]
		if call.ParentID != p.SpanID || call.Kind != "CLIENT" || call.Attributes["server.address"] != "127.0.0.1" ||
			call.Attributes["server.port"] != "99" || call.Attributes["job.attempt"] != "1" {
			t.Errorf("call: %+v", call)
		}
		if s := find(c.Spans(), "settle jobs.image")[n]; s.ParentID != p.SpanID || s.Attributes["job.status"] != "succeeded" {
			t.Errorf("settle: %+v", s)
		}
	}
}

func TestSamplingFollowsTheParent(t *testing.T) {
	t.Parallel()
	c := tracetest.Start(t)
	tracing := newTracing(t, telemetry.TracingConfig{Endpoint: c.URL, SampleRatio: 0.5}, slog.New(slog.DiscardHandler))
	const requests = 1000
	for range requests {
		ctx, request := tracing.StartRequest(t.Context(), "GET", "", nil)
		ctx, send := telemetry.StartSend(ctx, "audio", "j1")
		_, process := tracing.StartProcess(tracing.WithMessage(context.Background(), telemetry.TraceHeader(ctx)), "audio", "j1", 1, 1)
		process.End()
		send.End()
		request.End()
	}
	_, unsampled := tracing.StartRequest(t.Context(), "PUT", "", http.Header{"Traceparent": {strings.TrimSuffix(parent, "1") + "0"}})
	unsampled.End()
	stopTracing(t, tracing)
	got := len(find(c.Spans(), "GET"))
	// Twelve standard deviations.
	if got < 300 || got > 700 || len(find(c.Spans(), "PUT")) > 0 {
		t.Errorf("%d of %d requests were traced, %d spans in all", got, requests, len(c.Spans()))
	}
}

func TestTracingOff(t *testing.T) {
	tracing := newTracing(t, telemetry.TracingConfig{SampleRatio: 1}, slog.New(slog.DiscardHandler))
	if tracing.Enabled() {
		t.Fatal("traces are on")
	}
	header, message, base := http.Header{"Traceparent": {parent}}, map[string][]string{"traceparent": {parent}}, t.Context()
	allocs := testing.AllocsPerRun(100, func() {
		ctx, request := tracing.StartRequest(base, "POST", "/api/jobs", header)
		ctx, send := telemetry.StartSend(ctx, "image", "j1")
		if telemetry.TraceHeader(ctx) != nil {
			t.Error("a message has headers")
		}
		send.Fail("x")
		send.End()
		request.HTTPStatus(200)
		request.End()
		ctx, process := tracing.StartProcess(tracing.WithMessage(ctx, message), "image", "j1", 1, 2)
		_, call := telemetry.StartCall(ctx, "u", "GET", "http://h/p")
		call.End()
		_, settle := tracing.StartSettle(ctx, "image", "j1")
		settle.End()
		process.Verdict("succeed")
		process.End()
	})
	if allocs > 0 {
		t.Errorf("a job allocates %v times", allocs)
	}
	stopTracing(t, tracing)
}

func TestLogLinesCarryTheTrace(t *testing.T) {
	t.Parallel()
	c := tracetest.Start(t)
	var out bytes.Buffer
	log, err := telemetry.NewLogger(&out, "info")
	if err != nil {
		t.Fatal(err)
	}
	tracing := newTracing(t, telemetry.TracingConfig{Endpoint: c.URL, SampleRatio: 1}, log)
	ctx, request := tracing.StartRequest(t.Context(), "GET", "", nil)
	log.InfoContext(ctx, "hello")
	request.End()
	stopTracing(t, tracing)
	var line struct {
		Trace string `json:"trace_id"`
		Span  string `json:"span_id"`
	}
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	if s := c.Spans(); len(s) != 1 || line.Trace != s[0].TraceID || line.Span != s[0].SpanID {
		t.Errorf("the line is %s, the spans are %+v", out.String(), s)
	}
}

func TestTracingConfigRejectsInvalidValues(t *testing.T) {
	t.Parallel()
	for setting, variable := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=localhost:4318":         "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT=ftp://x":                "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://u:planted@x":     "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_ENDPOINT=http://x?token=planted": "OTEL_EXPORTER_OTLP_ENDPOINT",
		"OTEL_EXPORTER_OTLP_HEADERS=planted":                 "OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_EXPORTER_OTLP_HEADERS=a b=planted":             "OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_EXPORTER_OTLP_HEADERS=a=planted%0a":            "OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_EXPORTER_OTLP_HEADERS=a=planted%":              "OTEL_EXPORTER_OTLP_HEADERS",
		"OTEL_TRACES_SAMPLER_ARG=2":                          "OTEL_TRACES_SAMPLER_ARG",
		"OTEL_TRACES_SAMPLER_ARG=-0.1":                       "OTEL_TRACES_SAMPLER_ARG",
		"OTEL_TRACES_SAMPLER_ARG=NaN":                        "OTEL_TRACES_SAMPLER_ARG",
		"OTEL_TRACES_SAMPLER_ARG=planted":                    "OTEL_TRACES_SAMPLER_ARG",
	} {
		cfg := telemetry.Config{MetricsAddr: "127.0.0.1:0"}
		err := env.Load([]string{setting}, &cfg)
		if err == nil || !strings.HasPrefix(err.Error(), variable+": ") || strings.Contains(err.Error(), "planted") {
			t.Errorf("%s: %v", setting, err)
		}
	}
}

func TestFailingCollectorIsLoggedOnce(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "1")
	c := tracetest.Start(t)
	c.Fail(http.StatusUnauthorized)
	out := &safeBuffer{}
	tracing := newTracing(t, telemetry.TracingConfig{Endpoint: c.URL, SampleRatio: 1}, slog.New(slog.NewTextHandler(out, nil)))
	record := func() {
		_, span := tracing.StartRequest(t.Context(), "GET", "", nil)
		span.End()
	}
	for range 3 {
		record()
		await(t, c.Failed())
	}
	c.Fail(0)
	for deadline := time.Now().Add(guard); len(c.Spans()) == 0; record() {
		if time.Now().After(deadline) {
			t.Fatal("nothing is exported")
		}
	}
	stopTracing(t, tracing)
	text := out.String()
	if strings.Count(text, "level=WARN") != 1 || strings.Count(text, "traces are exported again") != 1 || strings.Count(text, "\n") != 2 {
		t.Errorf("the log is %s", text)
	}
}

func TestStopDoesNotWaitForTheCollector(t *testing.T) {
	t.Parallel()
	received, release := make(chan struct{}, 10), make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		received <- struct{}{}
		<-release
	}))
	defer hanging.Close()
	defer close(release)
	closed, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	for name, url := range map[string]string{"hanging": hanging.URL, "refused": "http://" + closed.Addr().String()} {
		out := &safeBuffer{}
		tracing := newTracing(t, telemetry.TracingConfig{Endpoint: url, SampleRatio: 1}, slog.New(slog.NewTextHandler(out, nil)))
		began := time.Now()
		for range 10_000 {
			_, span := tracing.StartRequest(t.Context(), "GET", "", nil)
			span.End()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		err := tracing.Stop(ctx)
		cancel()
		if took := time.Since(began); err != nil || took > 9*time.Second {
			t.Errorf("%s: stopped after %s: %v", name, took, err)
		}
		if got := strings.Count(out.String(), "level=WARN"); got != 1 {
			t.Errorf("%s: the log is %s", name, out.String())
		}
	}
}
