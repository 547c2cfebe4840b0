package queue_test

import (
	"log/slog"
	"reflect"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry/tracetest"
)

// TestTraceOfAJob checks the trace in the message and in every delivery.
func TestTraceOfAJob(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	collector := tracetest.Start(t)
	tracing, err := telemetry.NewTracing(t.Context(), telemetry.TracingConfig{Endpoint: collector.URL, SampleRatio: 1}, "api", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, request := tracing.StartRequest(t.Context(), "POST", "/api/jobs", nil)
	got := map[string][]string{"untraced": nil}
	l := images(t, q)
	stream, err := b.JetStream().Stream(t.Context(), broker.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"j1", "k1", "untraced"} {
		pushing := ctx
		if id == "untraced" {
			pushing = t.Context()
		}
		if _, err := q.Push(pushing, image(id), id == "k1"); err != nil {
			t.Fatal(err)
		}
		message, err := stream.GetLastMsgForSubject(t.Context(), broker.AnyJobSubject("u1", id))
		if err != nil {
			t.Fatal(err)
		}
		got[id] = append(got[id], message.Header["traceparent"]...)
		for n := range uint64(2) {
			d := pull(t, l)
			if d.ID != id || d.Count != n+1 {
				t.Fatalf("delivery %d of %s", d.Count, d.ID)
			}
			got[id] = append(got[id], d.Header["traceparent"]...)
			if n == 0 {
				err = d.NakWithDelay(0)
			} else {
				err = d.Ack(t.Context())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	request.End()
	if err := tracing.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"untraced": nil}
	for _, s := range collector.Spans() {
		if s.Name == "send jobs.image" {
			parent := "00-" + s.TraceID + "-" + s.SpanID + "-01"
			want[s.Attributes["job.id"]] = []string{parent, parent, parent}
		}
	}
	if len(want) != 3 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
