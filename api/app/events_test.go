package app_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// event is an event of a stream.
type event struct {
	name, id string
	job      apptest.Job
}

// eventStream is an open event stream. next returns its next event.
type eventStream struct {
	status int
	header http.Header
	body   io.Reader
	next   func() (event, bool)
}

// stream opens an event stream, which is closed when the test ends.
func (i *instance) stream(ctx context.Context, t testing.TB, path string, headers ...string) eventStream {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.URL()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if i.Cookie != "" {
		req.Header.Set("Cookie", i.Cookie)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := i.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	scanner := bufio.NewScanner(resp.Body)
	scanner.Buffer(nil, 1<<20)
	return eventStream{resp.StatusCode, resp.Header, resp.Body, func() (event, bool) { return next(t, scanner) }}
}

func next(t testing.TB, scanner *bufio.Scanner) (e event, ok bool) {
	t.Helper()
	for scanner.Scan() {
		line := scanner.Text()
		field, value, _ := strings.Cut(line, ": ")
		switch field {
		case "event":
			e.name = value
		case "id":
			e.id = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.job); err != nil {
				t.Fatalf("data of event %s: %v", e.name, err)
			}
		case "":
			if line == "" && e.name != "" {
				return e, true
			}
		}
	}
	return event{}, false
}

func TestJobEvents(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "WORKER_SLOTS_IMAGE=1"))
	i.Visit(t)
	if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindImage, Contains: "held", Hold: true}); err != nil {
		t.Fatal(err)
	}
	held := i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "held", "width": 64, "height": 64}})
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if err := i.Simulator().WaitCalls(ctx, simulator.KindImage, 1); err != nil {
		t.Fatal(err)
	}
	waiting := i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "waiting", "width": 64, "height": 64}})
	events := i.stream(ctx, t, "/api/jobs/"+waiting.ID+"/events")
	if got := events.header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("content type %q", got)
	}
	first, _ := events.next()
	if first.name != "queued" || first.id != "0.0" || first.job.ID != waiting.ID {
		t.Fatalf("the snapshot is %+v", first)
	}
	if first.job.QueuePosition == nil || *first.job.QueuePosition != 0 {
		t.Errorf("queue position %v, want 0", first.job.QueuePosition)
	}
	i.Simulator().Release()
	var names []string
	last := first
	for e, ok := events.next(); ok; e, ok = events.next() {
		if e.id != "" {
			names = append(names, e.name)
			last = e
		}
	}
	if last.name != "succeeded" || last.id != "end" || last.job.Result == nil {
		t.Errorf("the last event is %+v", last)
	}
	if !slices.Contains(names, "running") {
		t.Errorf("no event running in %v", names)
	}
	if v := i.Wait(t, held.ID); v.Status != "succeeded" {
		t.Errorf("the held job: %+v", v)
	}
	// 204 tells a browser that reconnects after the end to stop.
	if got := i.stream(ctx, t, "/api/jobs/"+waiting.ID+"/events", "Last-Event-ID: end").status; got != http.StatusNoContent {
		t.Errorf("after the end: status %d, want 204", got)
	}
	// A browser that missed the end receives it.
	events = i.stream(ctx, t, "/api/jobs/"+waiting.ID+"/events", "Last-Event-ID: 1.1")
	if e, ok := events.next(); !ok || e.name != "succeeded" {
		t.Errorf("after a gap: %+v", e)
	}
	if _, ok := events.next(); ok {
		t.Error("the stream continues after the end")
	}
}

func TestOwnerEvents(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir()))
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if got := i.stream(ctx, t, "/api/events").status; got != http.StatusUnauthorized {
		t.Errorf("without an identity: status %d, want 401", got)
	}
	i.Visit(t)
	events := i.stream(ctx, t, "/api/events")
	first := i.Submit(t, fields{"kind": "prompt", "input": fields{"text": "one"}})
	second := i.Submit(t, fields{"kind": "translation", "input": fields{"text": "two"}})
	seen := map[string][]string{}
	ended := 0
	for ended < 2 {
		e, ok := events.next()
		if !ok {
			t.Fatal("the stream ended")
		}
		if e.id == "" {
			continue
		}
		seen[e.job.ID] = append(seen[e.job.ID], e.name)
		if e.job.Finished() {
			ended++
		}
	}
	for _, id := range []string{first.ID, second.ID} {
		// A quick job may have ended before its first state is read.
		if got := seen[id]; len(got) == 0 || slices.Index(got, "succeeded") != len(got)-1 {
			t.Errorf("job %s: %v", id, got)
		}
	}
}

func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	i := run(t, apptest.Config(t, t.TempDir(), "WORKER_SLOTS_TEXT=0"))
	i.Visit(t)
	job := i.Submit(t, fields{"kind": "prompt", "input": fields{"text": "never worked"}})
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	events := i.stream(ctx, t, "/api/jobs/"+job.ID+"/events")
	if e, ok := events.next(); !ok || e.name != "queued" {
		t.Fatalf("got %+v", e)
	}
	i.Close(t)
	if _, err := io.Copy(io.Discard, events.body); err != nil && ctx.Err() != nil {
		t.Errorf("the stream did not end: %v", err)
	}
}
