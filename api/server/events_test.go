package server_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// stream is an open event stream.
type stream struct {
	*http.Response
	lines *bufio.Scanner
	close context.CancelFunc
}

// stream opens an event stream.
func (b *bundle) stream(t testing.TB, path string, options ...option) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	t.Cleanup(cancel)
	resp, err := b.client.Do(b.newRequest(ctx, t, http.MethodGet, path, nil, options...))
	must(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	s := &stream{resp, bufio.NewScanner(resp.Body), cancel}
	s.lines.Buffer(nil, 1<<20)
	return s
}

// block reads up to the next blank line; it returns "" at the end of the stream.
func (s *stream) block() string {
	var lines []string
	for s.lines.Scan() {
		if s.lines.Text() == "" {
			return strings.Join(lines, "\n")
		}
		lines = append(lines, s.lines.Text())
	}
	return ""
}

// rest reads the stream to its end.
func (s *stream) rest() string {
	var b strings.Builder
	for s.lines.Scan() {
		b.WriteString(s.lines.Text() + "\n")
	}
	return b.String()
}

// runThroughStates takes a job through its states and calls nextEvent before each change, to wait for the event of the
// state before.
func runThroughStates(t testing.TB, b *bundle, spec *job.Spec, nextEvent func()) {
	t.Helper()
	started, next, half := at(1), at(9), 50
	nextEvent()
	b.putProgress(t, spec.Owner, &job.Progress{ID: spec.ID, Status: job.StatusRunning, Stage: job.StageGenerating, Delivery: 1, Step: 1, Attempt: 1, StartedAt: &started, Percent: &half})
	nextEvent()
	b.putProgress(t, spec.Owner, &job.Progress{ID: spec.ID, Status: job.StatusRetrying, Delivery: 1, Step: 2, Attempt: 1, StartedAt: &started, NextAttemptAt: &next, LastError: job.NewError(job.CodeThrottled, 429)})
	nextEvent()
	b.putProgress(t, spec.Owner, &job.Progress{ID: spec.ID, Status: job.StatusRunning, Stage: job.StageStoring, Delivery: 2, Step: 1, Attempt: 2, StartedAt: &started})
	nextEvent()
	_, products := succeedJob(spec)
	b.settle(t, spec, &job.Record{Status: job.StatusSucceeded, Attempt: 2, StartedAt: &started, FinishedAt: at(20)}, products...)
}

func TestEventsOfOneJob(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.push(t, fixedSpec(job.OwnerAnonymous, "job-a"))
	s := b.stream(t, "/api/jobs/job-a/events")
	for name, want := range map[string]string{
		"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no",
		"X-Content-Type-Options": "nosniff", "Content-Encoding": "",
	} {
		if got := s.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	transcript := s.block() + "\n\n"
	runThroughStates(t, b, spec, func() { transcript += s.block() + "\n\n" })
	transcript += s.rest()
	golden(t, "events/job.txt", transcript)
	b.awaitStreams(t, 0)
}

func TestEventsInChinese(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := fixedSpec(job.OwnerAnonymous, "job-a")
	b.settle(t, spec, &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeModerated, 400), FinishedAt: at(9)})
	s := b.stream(t, "/api/jobs/job-a/events", language("zh"))
	golden(t, "events/failed.zh.txt", s.rest())
}

func TestEachStreamHasItsLanguage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.push(t, fixedSpec(job.OwnerAnonymous, "job-a"))
	streams := map[job.Lang]*stream{}
	for _, lang := range job.Langs() {
		s := b.stream(t, "/api/jobs/job-a/events", language(string(lang)))
		s.block()
		s.block()
		streams[lang] = s
	}
	b.settle(t, spec, &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeModerated, 400)})
	for lang, s := range streams {
		if got := s.rest(); !strings.Contains(got, job.FailureSentence(job.CodeModerated, lang)) {
			t.Errorf("%s: %s", lang, got)
		}
	}
}

func TestEventsAreResumed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	spec := b.push(t, fixedSpec(job.OwnerAnonymous, "job-a"))
	running := &job.Progress{ID: spec.ID, Status: job.StatusRunning, Delivery: 1, Step: 3, Attempt: 1}
	b.putProgress(t, spec.Owner, running)
	const path = "/api/jobs/job-a/events"
	for name, tc := range map[string]struct {
		// query and header are last event ids; now and before stand for the current and the previous one.
		query, header string
		snapshot      bool
	}{
		"new":                 {"", "", true},
		"behind":              {"", "before", true},
		"current":             {"", "now", false},
		"current by query":    {"now", "", false},
		"header before query": {"before", "now", false},
		"malformed":           {"", "end; drop", true},
		"another job's end":   {"", "end", true},
		"an id of all jobs":   {"", "1764000000000", true},
	} {
		now := fmt.Sprintf("1.%d", running.Step)
		steps := strings.NewReplacer("before", fmt.Sprintf("1.%d", running.Step-1), "now", now)
		at, options := path, []option(nil)
		if tc.query != "" {
			at += "?last_event_id=" + steps.Replace(tc.query)
		}
		if tc.header != "" {
			options = append(options, header("Last-Event-ID", steps.Replace(tc.header)))
		}
		s := b.stream(t, at, options...)
		if s.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d", name, s.StatusCode)
		}
		if got := s.block(); got != "retry: 2000" {
			t.Errorf("%s: first %q", name, got)
		}
		if tc.snapshot {
			if got := s.block(); !strings.HasPrefix(got, "event: running\nid: "+now+"\ndata: {") {
				t.Errorf("%s: snapshot %q", name, got)
			}
		}
		running.Step++
		b.putProgress(t, spec.Owner, running)
		if got := s.block(); !strings.HasPrefix(got, fmt.Sprintf("event: running\nid: 1.%d\n", running.Step)) {
			t.Errorf("%s: after a change %q", name, got)
		}
		s.close()
	}
	b.settle(t, spec, &job.Record{Status: job.StatusCanceled, Cancel: job.CancelWhileRunning})
	if s := b.stream(t, path, header("Last-Event-ID", "end")); s.StatusCode != http.StatusNoContent {
		t.Errorf("after the end: status %d", s.StatusCode)
	}
	s := b.stream(t, path, header("Last-Event-ID", "1.3"))
	if got := s.rest(); !strings.HasPrefix(got, "retry: 2000\n\nevent: canceled\nid: end\n") || strings.Count(got, "event:") != 1 {
		t.Errorf("missed final event: %q", got)
	}
}

func TestEventsByHead(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := guest()
	spec := b.push(t, fixedSpec(job.OwnerAnonymous, "job-a"))
	for _, path := range []string{"/api/jobs/job-a/events", "/api/events"} {
		resp := b.head(t, path, cookie(c)).expect(t, http.StatusOK)
		if resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%s: %v", path, resp.Header)
		}
	}
	b.head(t, "/api/events").expect(t, http.StatusUnauthorized)
	b.head(t, "/api/jobs/nothing/events").expect(t, http.StatusNotFound)
	b.settle(t, spec, &job.Record{Status: job.StatusSucceeded})
	b.head(t, "/api/jobs/job-a/events", header("Last-Event-ID", "end")).expect(t, http.StatusNoContent)
}

// withFeed replaces the feed of a server.
func withFeed(t testing.TB, cfg feed.Config) change {
	return func(_ *server.Config, deps *server.Deps) {
		deps.Feed = feed.New(deps.Broker, deps.Jobs, deps.Queue, deps.Control, cfg, discardLogger())
		t.Cleanup(deps.Feed.Stop)
	}
}

func TestPositionTicksHaveNoID(t *testing.T) {
	t.Parallel()
	b := setup(t, withFeed(t, feed.Config{Tick: 5 * time.Millisecond}))
	c, owner := guest()
	ahead := b.push(t, fixedSpec(job.OwnerAnonymous, "job-a"))
	b.push(t, fixedSpec(owner, "job-b"))
	eventually(t, "the broker counts both jobs", func() bool {
		entry := b.queueEntry(t, owner, "job-b")
		positions, err := b.queue.Positions(t.Context(), entry.Spec.Kind, entry.Spec.Lane, []uint64{entry.Sequence})
		must(t, err)
		return positions.Ahead[entry.Sequence] == 1
	})
	streams := map[string]*stream{}
	for _, path := range []string{"/api/jobs/job-b/events", "/api/events"} {
		s := b.stream(t, path, cookie(c))
		s.block()
		if got := s.block(); !strings.Contains(got, "\nid: ") || !strings.Contains(got, `"queue_position":1`) {
			t.Fatalf("%s: snapshot %q", path, got)
		}
		streams[path] = s
	}
	b.dequeue(t, ahead.Owner, ahead.ID)
	for path, s := range streams {
		for {
			got := s.block()
			if !strings.HasPrefix(got, "event: queued\ndata: {") {
				t.Fatalf("%s: tick %q", path, got)
			}
			if strings.Contains(got, `"queue_position":0`) {
				break
			}
		}
	}
}

func TestSilentStreamsAreKeptAlive(t *testing.T) {
	t.Parallel()
	b := setup(t, withKeepAlive(10*time.Millisecond))
	c, owner := guest()
	b.push(t, fixedSpec(owner, "job-a"))
	for _, path := range []string{"/api/jobs/job-a/events", "/api/events"} {
		s := b.stream(t, path, cookie(c))
		// On a slow machine a comment may precede the snapshot.
		for snapshot := false; !snapshot; {
			snapshot = strings.HasPrefix(s.block(), "event: queued")
		}
		for range 3 {
			if got := s.block(); got != ": keep-alive" {
				t.Errorf("%s: %q", path, got)
			}
		}
		if got := b.metric(t, "sse_streams_open"); got != 1 {
			t.Errorf("%s: %v streams open", path, got)
		}
		s.close()
		b.awaitStreams(t, 0)
	}
}

var positionPattern = regexp.MustCompile(`"queue_position":\d+`)

var eventIDPattern = regexp.MustCompile(`(?m)^id: \d+$`)

func TestEventsOfAllJobs(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 5, 30, 0, time.UTC)
	b := setup(t, func(_ *server.Config, deps *server.Deps) { deps.Now = func() time.Time { return now } })
	c, owner := guest()
	other, otherOwner := guest()
	first := b.push(t, fixedSpec(owner, "job-a"))
	b.get(t, "/api/events").problem(t, http.StatusUnauthorized, "identity_required")
	s := b.stream(t, "/api/events", cookie(c))
	theirs := b.stream(t, "/api/events", cookie(other))
	transcript := s.block() + "\n\n"
	nextEvent := func() { transcript += s.block() + "\n\n" }
	runThroughStates(t, b, first, nextEvent)
	nextEvent()
	b.push(t, fixedSpec(otherOwner, "job-x"))
	b.push(t, fixedSpec(owner, "job-b"))
	nextEvent()
	// The broker counts jobs asynchronously.
	golden(t, "events/all.txt", positionPattern.ReplaceAllString(transcript, `"queue_position":"…"`))
	if !strings.Contains(transcript, "id: 1767323130000\n") || len(eventIDPattern.FindAllString(transcript, -1)) != 1+strings.Count(transcript, "event:") {
		t.Errorf("ids: %s", transcript)
	}
	theirs.block()
	if got := theirs.block(); !strings.Contains(got, `"id":"job-x"`) {
		t.Errorf("another guest's stream: %q", got)
	}
}

func TestEventsOfAllJobsAreResumed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, owner := guest()
	b.settle(t, imageSpec(owner, "long-ago"), &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 0), FinishedAt: job.At(time.Now().Add(-30 * time.Second))})
	b.settle(t, imageSpec(owner, "just-now"), &job.Record{Status: job.StatusSucceeded, FinishedAt: job.At(time.Now().Add(-8 * time.Second))})
	b.push(t, imageSpec(owner, "active"))
	for i, tc := range []struct {
		lastSeen time.Duration
		want     []string
	}{
		// The slack reaches five seconds before the last event.
		{-5 * time.Second, []string{"active", "just-now"}},
		{-time.Second, []string{"active"}},
		{-time.Minute, []string{"active", "just-now", "long-ago"}},
		{0, []string{"active"}}, // A new client.
	} {
		var options []option
		if tc.lastSeen != 0 {
			options = append(options, header("Last-Event-ID", strconv.FormatInt(time.Now().Add(tc.lastSeen).UnixMilli(), 10)))
		}
		s := b.stream(t, "/api/events", append(options, cookie(c))...)
		s.block()
		seen := map[string]bool{}
		for range tc.want {
			seen[eventJobID(s.block())] = true
		}
		for _, id := range tc.want {
			if !seen[id] {
				t.Errorf("since %v: no %s among %v", tc.lastSeen, id, seen)
			}
		}
		// The next event is that of a new job, so nothing else was sent. The streams of one guest share their state, so
		// each case has its own job.
		next := b.push(t, imageSpec(owner, fmt.Sprint("next-", i)))
		if got := eventJobID(s.block()); got != next.ID {
			t.Errorf("since %v: also %s", tc.lastSeen, got)
		}
		b.dequeue(t, owner, next.ID)
		s.close()
		b.awaitStreams(t, 0)
	}
	for _, id := range []string{"x", "-5", "0", "1.3", strings.Repeat("9", 50)} {
		s := b.stream(t, "/api/events", cookie(c), header("Last-Event-ID", id))
		s.block()
		if got := eventJobID(s.block()); got != "active" {
			t.Errorf("id %s: %s", id, got)
		}
		s.close()
	}
}

var eventJobIDPattern = regexp.MustCompile(`data: {"id":"([^"]*)"`)

// eventJobID returns the id of the job in an event.
func eventJobID(block string) string {
	if m := eventJobIDPattern.FindStringSubmatch(block); m != nil {
		return m[1]
	}
	return "no id in " + block
}

func TestStopEndsStreams(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, owner := guest()
	b.push(t, imageSpec(owner, "job-a"))
	one, all := b.stream(t, "/api/jobs/job-a/events", cookie(c)), b.stream(t, "/api/events", cookie(c))
	for _, s := range []*stream{one, all} {
		s.block()
		s.block()
	}
	b.stop(errors.New("stopping"))
	for _, s := range []*stream{one, all} {
		if data, err := io.ReadAll(s.Body); err != nil || strings.Contains(string(data), "event:") {
			t.Errorf("%v %q", err, data)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if err := errors.Join(b.http.Shutdown(ctx), b.server.AwaitStreams(ctx)); err != nil {
		t.Error(err)
	}
}

func TestFeedStopEndsStreams(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	s := b.stream(t, "/api/jobs/job-a/events")
	s.block()
	s.block()
	b.feed.Stop()
	if data, err := io.ReadAll(s.Body); err != nil || len(data) > 0 {
		t.Errorf("%v %q", err, data)
	}
	b.get(t, "/api/jobs/job-a/events").problem(t, http.StatusServiceUnavailable, "unavailable")
	if got := b.metric(t, "sse_slow_readers_dropped_total"); got != 0 {
		t.Errorf("%v slow readers dropped", got)
	}
}

func TestDeletedJobEndsItsStream(t *testing.T) {
	t.Parallel()
	b := setup(t, withFeed(t, feed.Config{Reread: 5 * time.Millisecond}))
	spec := b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	s := b.stream(t, "/api/jobs/job-a/events")
	s.block()
	s.block()
	b.dequeue(t, spec.Owner, spec.ID)
	if data, err := io.ReadAll(s.Body); err != nil || strings.Contains(string(data), "id:") {
		t.Errorf("%v %q", err, data)
	}
}

// TestStreamOpenedDuringShutdown opens streams at a process that is shutting down. They end cleanly, so that a browser
// reconnects to another process with the event id that it needs.
func TestStreamOpenedDuringShutdown(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := guest()
	b.push(t, fixedSpec(job.OwnerAnonymous, "job-a"))
	b.stop(server.ErrStopping)
	for path, want := range map[string]string{"/api/jobs/job-a/events": "retry: 2000\n\n", "/api/events": "retry: 2000\nid: "} {
		s := b.stream(t, path, cookie(c))
		got := s.rest()
		if s.StatusCode != http.StatusOK || !strings.HasPrefix(got, want) || strings.Contains(got, "event:") {
			t.Errorf("%s: status %d, %q", path, s.StatusCode, got)
		}
	}
}
