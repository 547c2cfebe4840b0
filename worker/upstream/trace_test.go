package upstream_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry/tracetest"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// TestDoIsTraced sends a successful, a failing and a canceled request. None contains trace headers.
func TestDoIsTraced(t *testing.T) {
	t.Parallel()
	collector := tracetest.Start(t)
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.TracingConfig{Endpoint: collector.URL, SampleRatio: 1}, "worker", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	var status int
	base := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"Traceparent", "Tracestate", "Baggage"} {
			if value := r.Header.Get(name); value != "" {
				t.Errorf("the upstream got %s: %s", name, value)
			}
		}
		if status == 0 {
			cancel()
			<-r.Context().Done()
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(canaryPrompt))
	})
	caller := newCaller(t)
	var body []byte
	for n, given := range []int{http.StatusOK, http.StatusBadGateway, 0} {
		status = given
		ctx, process := tracing.StartProcess(canceled, "image", "j1", n+1, 1)
		_ = caller.Do(ctx, newRequest(base), readAll(&body))
		process.End()
	}
	// Outside an attempt nothing is recorded.
	status = http.StatusOK
	if err := caller.Do(t.Context(), newRequest(base), readAll(&body)); err != nil {
		t.Error(err)
	}
	if err := tracing.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	host, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	var calls []tracetest.Span
	for _, s := range collector.Spans() {
		if s.Name == "GET pollinations-image" {
			calls = append(calls, s)
		}
	}
	if len(calls) != 3 {
		t.Fatalf("got %+v", collector.Spans())
	}
	for n, want := range []struct {
		status, code string
		failed       bool
	}{{"200", "", false}, {"502", job.CodeUnavailable, true}, {"", fault.CodeCanceled, false}} {
		c := calls[n]
		if c.Attributes["http.response.status_code"] != want.status || c.Attributes["error.type"] != want.code || c.Failed != want.failed ||
			c.Attributes["server.address"] != host.Hostname() || c.Attributes["server.port"] != host.Port() || c.Attributes["http.request.method"] != "GET" {
			t.Errorf("call %d: %+v", n, c)
		}
	}
	for _, secret := range []string{canaryKey, canaryPrompt, url.PathEscape(canaryPrompt), "/generate/"} {
		if bytes.Contains(collector.Raw(), []byte(secret)) {
			t.Errorf("%q was exported", secret)
		}
	}
}
