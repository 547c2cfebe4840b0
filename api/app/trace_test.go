package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app"
	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry/tracetest"
	worker "github.com/text2image-audio/text2image-audio/worker/app"
)

// traced is an API and a worker that export traces to a collector.
type traced struct {
	*instance
	collector *tracetest.Collector
	worker    *worker.Worker
	tracing   *telemetry.Tracing
	apiLog    *textLog
	workerLog *textLog
}

func jsonLog(t *testing.T) (*textLog, *slog.Logger) {
	t.Helper()
	text := &textLog{written: make(chan struct{}, 1)}
	log, err := telemetry.NewLogger(text, "debug")
	if err != nil {
		t.Fatal(err)
	}
	return text, log
}

// newTraced starts an API and a worker. stop stops them; the collector has every span afterwards.
func newTraced(t *testing.T, variables ...string) (x *traced, stop func()) {
	t.Helper()
	x = &traced{collector: tracetest.Start(t)}
	nats := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	variables = append([]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT=" + x.collector.URL, "NATS_URL=" + nats.ClientURL(), "JWT_SECRET=planted-secret-of-this-test",
		"QUOTA_GUEST_PER_MINUTE=0", "QUOTA_GUEST_PER_DAY=0", "PBKDF2_ITERATIONS=1",
	}, variables...)
	cfg := apptest.Config(t, t.TempDir(), variables...)
	accounttest.AllowWeakHashes(t)
	var log *slog.Logger
	x.workerLog, log = jsonLog(t)
	var err error
	if x.tracing, err = telemetry.NewTracing(t.Context(), cfg.Telemetry.Tracing, "text2image-worker", log); err != nil {
		t.Fatal(err)
	}
	x.worker = worker.New(cfg.Worker, nats, telemetry.NewMetrics(), log, worker.WithTracing(x.tracing))
	if err := x.worker.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.apiLog, log = jsonLog(t)
	a, err := app.New(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.instance = &instance{&apptest.Process{App: a, Client: &http.Client{Transport: &http.Transport{}}}}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		x.Close(t)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), hang)
		defer cancel()
		if err := x.worker.Stop(ctx); err != nil {
			t.Errorf("stop worker: %v", err)
		}
		if err := x.tracing.Stop(ctx); err != nil {
			t.Errorf("stop tracing: %v", err)
		}
	}
	t.Cleanup(stop)
	return x, stop
}

// traceOf returns the trace of a job and fails the test if a span of the job is in another trace.
func (x *traced) traceOf(t *testing.T, id string) trace {
	t.Helper()
	spans := x.collector.Spans()
	sent := slices.IndexFunc(spans, func(s tracetest.Span) bool {
		return strings.HasPrefix(s.Name, "send ") && s.Attributes["job.id"] == id
	})
	if sent < 0 {
		t.Fatalf("job %s has no send span", id)
	}
	var own trace
	for _, s := range spans {
		if s.TraceID == spans[sent].TraceID {
			own = append(own, s)
		} else if s.Attributes["job.id"] == id {
			t.Errorf("%s of job %s is in another trace", s.Name, id)
		}
	}
	return own
}

type trace []tracetest.Span

// children returns the spans with the given parent ID.
func (tr trace) children(parent string) (spans []tracetest.Span) {
	for _, s := range tr {
		if s.ParentID == parent {
			spans = append(spans, s)
		}
	}
	return spans
}

// shape returns the name of a span and, in parentheses, the sorted shapes of its children.
func (tr trace) shape(s tracetest.Span) string {
	var parts []string
	for _, child := range tr.children(s.SpanID) {
		parts = append(parts, tr.shape(child))
	}
	if len(parts) == 0 {
		return s.Name
	}
	slices.Sort(parts)
	return s.Name + "(" + strings.Join(parts, ", ") + ")"
}

// root returns the span whose parent is not in the trace, of which there must be one.
func (tr trace) root(t *testing.T) tracetest.Span {
	t.Helper()
	var roots []tracetest.Span
	for _, s := range tr {
		if !slices.ContainsFunc(tr, func(p tracetest.Span) bool { return p.SpanID == s.ParentID }) {
			roots = append(roots, s)
		}
	}
	if len(roots) != 1 {
		t.Fatalf("the trace has %d roots: %+v", len(roots), roots)
	}
	return roots[0]
}

// named returns the spans with the given name.
func (tr trace) named(name string) trace {
	return slices.DeleteFunc(slices.Clone(tr), func(s tracetest.Span) bool { return s.Name != name })
}

// TestEveryJobHasOneTrace checks the traces of different jobs from the request to the upstream call, across API and worker.
func TestEveryJobHasOneTrace(t *testing.T) {
	t.Parallel()
	x, stop := newTraced(t, "ADMIN_KEY=planted-operator-key", "OTEL_EXPORTER_OTLP_HEADERS=api-key=planted-header", "FETCH_RETRY_MAX=2")
	signed := x.signUp(t, "planted@example.org", "planted horse")
	script := func(rules ...simulator.Rule) {
		t.Helper()
		if err := x.worker.Simulator().Script(rules...); err != nil {
			t.Fatal(err)
		}
	}
	broken := simulator.Rule{
		Kind: simulator.KindImage, Contains: "planted shaky", Times: 1, Status: http.StatusInternalServerError,
		Body: `{"success":false,"error":{"message":"planted upstream text","code":"INTERNAL_ERROR"},"status":500}`,
	}
	doomed := broken
	doomed.Contains, doomed.Times = "planted doomed", 0
	script(broken, doomed)
	image := func(prompt string, more fields) fields {
		in := fields{"prompt": prompt, "width": 64, "height": 64, "seed": 7}
		for k, v := range more {
			in[k] = v
		}
		return fields{"kind": "image", "input": in}
	}
	run := func(body fields, headers ...string) apptest.Job {
		t.Helper()
		return x.waitSigned(t, x.Submit(t, body, append(headers, signed)...).ID, signed)
	}
	const remoteTrace, remoteSpan = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	plain := run(image("planted fox", nil), "Traceparent: 00-"+remoteTrace+"-"+remoteSpan+"-01", "Tracestate: vendor=planted", "X-Request-Id: request-1")
	set := run(image("planted set", fields{"n": 3}))
	optimized := run(image("planted cat", fields{"optimize": true}))
	speech := run(fields{"kind": "audio", "input": fields{"text": "Planted words: planted.", "voice": "nova"}})
	translation := run(fields{"kind": "translation", "input": fields{"text": "planted 一只猫"}})
	shaky := run(image("planted shaky bridge", nil))
	failed := run(image("planted doomed owl", nil))
	x.worker.Simulator().Clear()
	var dead deadLetter
	x.awaitDeadLetter(t, failed.ID, "X-Admin-Key: planted-operator-key").Decode(t, &dead)
	var retried, replayed apptest.Job
	resp := x.Do(t, http.MethodPost, "/api/jobs/"+failed.ID+"/retry", nil, signed)
	resp.Decode(t, &retried)
	resp = x.Do(t, http.MethodPost, "/api/admin/dead-letters/"+failed.ID+"/replay", nil, "X-Admin-Key: planted-operator-key")
	resp.Decode(t, &replayed)
	for _, v := range []apptest.Job{retried, replayed} {
		x.waitSigned(t, v.ID, signed)
	}
	x.Do(t, http.MethodGet, "/api/jobs/planted/media/0?planted=planted", nil, signed)
	x.Do(t, http.MethodGet, "/", nil)
	x.Do(t, http.MethodGet, "/livez", nil)
	x.Do(t, http.MethodGet, "/internal/health", nil)
	stop()

	for _, c := range []struct {
		name, id, root, shape string
	}{
		{"image", plain.ID, "POST /api/jobs", "send jobs.image(process jobs.image(GET pollinations-image, settle jobs.image))"},
		{"set", set.ID, "POST /api/jobs", "send jobs.image(process jobs.image(GET pollinations-image, GET pollinations-image, GET pollinations-image, settle jobs.image))"},
		{"optimized", optimized.ID, "POST /api/jobs", "send jobs.image(process jobs.image(GET pollinations-image, POST language-model, settle jobs.image))"},
		{"speech", speech.ID, "POST /api/jobs", "send jobs.audio(process jobs.audio(POST pollinations-speech, settle jobs.audio))"},
		{"translation", translation.ID, "POST /api/jobs", "send jobs.translation(process jobs.translation(POST language-model, settle jobs.translation))"},
		{"retried attempt", shaky.ID, "POST /api/jobs", "send jobs.image(process jobs.image(GET pollinations-image), process jobs.image(GET pollinations-image, settle jobs.image))"},
		{"failed", failed.ID, "POST /api/jobs", "send jobs.image(process jobs.image(GET pollinations-image), process jobs.image(GET pollinations-image, settle jobs.image))"},
		{"retry", retried.ID, "POST /api/jobs/:id/retry", "send jobs.image(process jobs.image(GET pollinations-image, settle jobs.image))"},
		{"replay", replayed.ID, "POST /api/admin/dead-letters/:id/replay", "send jobs.image(process jobs.image(GET pollinations-image, settle jobs.image))"},
	} {
		tr := x.traceOf(t, c.id)
		if got, want := tr.shape(tr.root(t)), c.root+"("+c.shape+")"; got != want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, want)
		}
		for _, s := range tr {
			want := "text2image-worker"
			if strings.HasPrefix(s.Name, "send ") || s.ParentID == "" || s.ParentID == remoteSpan {
				want = "text2image-api"
			}
			if s.Service != want {
				t.Errorf("%s: %s has service %s", c.name, s.Name, s.Service)
			}
		}
	}

	tr := x.traceOf(t, plain.ID)
	if root := tr.root(t); root.TraceID != remoteTrace || root.ParentID != remoteSpan || root.Attributes["request.id"] != "request-1" ||
		root.Attributes["http.response.status_code"] != "202" || root.Failed {
		t.Errorf("the request: %+v", root)
	}
	for _, s := range tr.named("process jobs.image") {
		if s.Kind != "CONSUMER" || len(s.Links) > 0 || s.Failed || s.Attributes["job.attempt"] != "1" || s.Attributes["request.id"] != "request-1" {
			t.Errorf("the attempt: %+v", s)
		}
	}
	tr = x.traceOf(t, shaky.ID)
	attempts := tr.named("process jobs.image")
	slices.SortFunc(attempts, func(a, b tracetest.Span) int {
		return strings.Compare(a.Attributes["job.delivery"], b.Attributes["job.delivery"])
	})
	send := tr.named("send jobs.image")[0]
	first, second := attempts[0], attempts[1]
	if !first.Failed || first.Error != "upstream_unavailable" || first.Attributes["job.verdict"] != "retry" || len(first.Links) > 0 ||
		first.Attributes["job.attempt"] != "1" || first.Attributes["job.delivery"] != "1" {
		t.Errorf("the first attempt: %+v", first)
	}
	if second.Failed || second.Attributes["job.attempt"] != "2" || second.Attributes["job.delivery"] != "2" || !slices.Equal(second.Links, []string{send.SpanID}) {
		t.Errorf("the second attempt: %+v", second)
	}
	if call := tr.children(first.SpanID)[0]; !call.Failed || call.Error != "upstream_unavailable" || call.Attributes["http.response.status_code"] != "500" ||
		call.Attributes["server.address"] != "127.0.0.1" || call.Attributes["job.attempt"] != "1" {
		t.Errorf("the failed call: %+v", call)
	}

	for _, s := range x.collector.Spans() {
		if s.Events > 0 || strings.Contains(s.Name, "livez") || strings.Contains(s.Name, "health") || s.Name == "GET /" {
			t.Errorf("span %+v", s)
		}
	}
	raw := bytes.ToLower(x.collector.Raw())
	if at := bytes.Index(raw, []byte("planted")); at >= 0 {
		t.Errorf("exported: …%q…", raw[max(0, at-100):min(len(raw), at+100)])
	}
	if dead.Owner == "" || bytes.Contains(x.collector.Raw(), []byte(dead.Owner)) {
		t.Errorf("the owner %q was exported", dead.Owner)
	}
	if x.collector.Header().Get("Api-Key") != "planted-header" {
		t.Error("the collector received no Api-Key header")
	}
	checkLog(t, "api", x.apiLog, remoteTrace, "request")
	checkLog(t, "worker", x.workerLog, remoteTrace, "job ended")
}

// waitSigned waits until the job of a member has finished.
func (i *instance) waitSigned(t testing.TB, id, signed string) apptest.Job {
	t.Helper()
	for deadline := time.Now().Add(hang); time.Now().Before(deadline); {
		var v apptest.Job
		resp := i.Do(t, http.MethodGet, "/api/jobs/"+id+"?wait=5", nil, signed)
		resp.Decode(t, &v)
		if v.Finished() {
			return v
		}
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("job %s: %d %s", id, resp.StatusCode, resp.Data)
		}
	}
	t.Fatalf("job %s did not end", id)
	return apptest.Job{}
}

// checkLog fails the test unless the log has a line with the message and trace ID.
func checkLog(t *testing.T, name string, log *textLog, traceID, message string) {
	t.Helper()
	for text := range strings.Lines(log.String()) {
		var line struct {
			Message string `json:"msg"`
			Trace   string `json:"trace_id"`
			Span    string `json:"span_id"`
		}
		if json.Unmarshal([]byte(text), &line) == nil && line.Message == message && line.Trace == traceID && len(line.Span) == 16 {
			return
		}
	}
	t.Errorf("the log of the %s has no line %q with the trace ID", name, message)
}

// TestTracesOfSingleProcess runs API and worker in one process, first with a collector and then with an unreachable one.
func TestTracesOfSingleProcess(t *testing.T) {
	t.Parallel()
	collector := tracetest.Start(t)
	i := run(t, apptest.Config(t, t.TempDir(), "OTEL_EXPORTER_OTLP_ENDPOINT="+collector.URL, "OTEL_SERVICE_NAME=mine", "MAX_QUEUED_JOBS=1"))
	i.Visit(t)
	if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindImage, Hold: true}); err != nil {
		t.Fatal(err)
	}
	v := i.Submit(t, imageJob("a fox"))
	if resp := i.Do(t, http.MethodPost, "/api/jobs", imageJob("an owl")); resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("a submission to a full queue: %d %s", resp.StatusCode, resp.Data)
	}
	i.Simulator().Release()
	i.Wait(t, v.ID)
	i.Close(t)
	x := &traced{collector: collector}
	tr := x.traceOf(t, v.ID)
	const want = "POST /api/jobs(send jobs.image(process jobs.image(GET pollinations-image, settle jobs.image)))"
	if got := tr.shape(tr.root(t)); got != want || tr[0].Service != "mine" {
		t.Errorf("trace %s, service %s", got, tr[0].Service)
	}

	failed := 0
	for _, span := range collector.Spans() {
		if span.Failed && (span.Name == "POST /api/jobs" || span.Name == "send jobs.image") {
			if failed++; span.Error != "queue_full" || span.Attributes["error.type"] != "queue_full" {
				t.Errorf("the refused request: %+v", span)
			}
		}
	}
	if failed != 2 {
		t.Errorf("%d failed spans, want 2", failed)
	}

	down := run(t, apptest.Config(t, t.TempDir(), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+freeAddress(t)))
	down.Visit(t)
	if v := down.Wait(t, down.Submit(t, imageJob("a fox")).ID); v.Status != "succeeded" {
		t.Errorf("%+v", v)
	}
	down.Close(t)

	cfg := app.Default()
	if err := env.Load([]string{"OTEL_TRACES_SAMPLER_ARG=2"}, &cfg); err == nil || !strings.Contains(err.Error(), "OTEL_TRACES_SAMPLER_ARG") {
		t.Errorf("a bad ratio: %v", err)
	}
}
