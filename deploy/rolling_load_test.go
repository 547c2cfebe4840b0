package deploy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// streamPause is how long a browser waits before it reconnects, unless the stream sends "retry".
const streamPause = 2 * time.Second

// pollPause is how long a client waits after a failed poll.
const pollPause = 500 * time.Millisecond

// load is the clients during rolling restarts: guests that submit jobs, wait for them and follow their event stream.
type load struct {
	t      *testing.T
	url    string
	client *http.Client
	guests []*guest

	failures   failures
	submitted  atomic.Int64
	reconnects atomic.Int64
	// slowest is the duration of the slowest submission, in nanoseconds.
	slowest atomic.Int64

	stopSubmitting chan struct{}
	submitting     sync.WaitGroup
	working        sync.WaitGroup
	stopStreams    context.CancelFunc
	streams        sync.WaitGroup
}

// guest is one browser.
type guest struct {
	cookie string

	mu sync.Mutex
	// submitted are the accepted jobs, ended those whose final event has arrived.
	submitted []string
	ended     map[string]bool
	// opened is closed once the stream is open. It does not report jobs that end before.
	opened chan struct{}
	once   sync.Once
	// trace is the history of the stream, for failed tests.
	trace []string
}

func (g *guest) note(format string, args ...any) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trace = append(g.trace, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// failures collects the errors that clients see.
type failures struct {
	mu   sync.Mutex
	list []string
}

func (f *failures) add(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, time.Now().Format("15:04:05.000 ")+fmt.Sprintf(format, args...))
}

// take returns the failures so far and clears them.
func (f *failures) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.list
	f.list = nil
	return list
}

func newLoad(t *testing.T, url string) *load {
	t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 256}
	t.Cleanup(transport.CloseIdleConnections)
	l := &load{t: t, url: url, client: &http.Client{Transport: transport}, stopSubmitting: make(chan struct{})}
	for range rollingGuests {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/", nil)
		must(t, err)
		resp, err := l.client.Do(req)
		must(t, err)
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		g := &guest{ended: map[string]bool{}, opened: make(chan struct{})}
		for _, c := range resp.Cookies() {
			g.cookie = c.Name + "=" + c.Value
		}
		if g.cookie == "" {
			t.Fatal("the page sets no cookie")
		}
		l.guests = append(l.guests, g)
	}
	return l
}

// start opens the streams and starts submitting.
func (l *load) start() {
	ctx, stop := context.WithCancel(context.WithoutCancel(l.t.Context()))
	l.stopStreams = stop
	for _, g := range l.guests {
		l.streams.Go(func() { l.follow(ctx, g) })
	}
	for _, g := range l.guests {
		select {
		case <-g.opened:
		case <-time.After(hang):
			l.t.Fatal("not every stream was opened")
		}
	}
	l.submitting.Go(func() {
		ticker := time.NewTicker(time.Second / rollingRate)
		defer ticker.Stop()
		for n := 0; ; n++ {
			select {
			case <-l.stopSubmitting:
				return
			case <-ticker.C:
			}
			l.working.Go(func() { l.work(l.guests[n%len(l.guests)], n) })
		}
	})
}

// await lets the load run for a while.
func (l *load) await(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}

// check fails the test if there were failures.
func (l *load) check(during string) {
	l.t.Helper()
	list := l.failures.take()
	for i, f := range list {
		if i == 20 {
			break
		}
		l.t.Errorf("%s: %s", during, f)
	}
	if len(list) > 20 {
		l.t.Errorf("%s: and %d more failures", during, len(list)-20)
	}
}

// stop stops the load without checking it.
func (l *load) stop() {
	close(l.stopSubmitting)
	l.submitting.Wait()
	l.working.Wait()
	l.stopStreams()
	l.streams.Wait()
}

// finish stops submitting and waits until all jobs have ended and each guest's stream has reported all of them.
func (l *load) finish() {
	l.t.Helper()
	close(l.stopSubmitting)
	l.submitting.Wait()
	l.working.Wait()
	missing := func() (n int) {
		for _, g := range l.guests {
			g.mu.Lock()
			for _, id := range g.submitted {
				if !g.ended[id] {
					n++
				}
			}
			g.mu.Unlock()
		}
		return n
	}
	limit := time.Now().Add(30 * time.Second)
	for missing() > 0 && time.Now().Before(limit) {
		l.await(50 * time.Millisecond)
	}
	if n := missing(); n > 0 {
		l.t.Errorf("%d jobs ended without an event in the stream of their guest", n)
		for _, g := range l.guests {
			for _, id := range g.submitted {
				if !g.ended[id] {
					v, _ := l.call(l.t.Context(), g, http.MethodGet, "/api/jobs/"+id, nil)
					l.t.Logf("not told of %+v: %s", v, strings.Join(g.trace, "\n  "))
				}
			}
		}
	}
	l.stopStreams()
	l.streams.Wait()
}

// work submits a job and waits for its end, every fourth time by an event stream.
func (l *load) work(g *guest, n int) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.t.Context()), hang)
	defer cancel()
	kind, input := "prompt", map[string]any{"text": fmt.Sprint("a cat ", n)}
	if n%2 == 0 {
		kind, input = "image", map[string]any{"prompt": fmt.Sprint("a boat ", n), "width": 64, "height": 64}
	}
	body, err := json.Marshal(map[string]any{"kind": kind, "input": input})
	if err != nil {
		l.failures.add("encode: %v", err)
		return
	}
	begun := time.Now()
	v, ok := l.call(ctx, g, http.MethodPost, "/api/jobs", body)
	if took := int64(time.Since(begun)); took > l.slowest.Load() {
		l.slowest.Store(took)
	}
	if !ok {
		return
	}
	l.submitted.Add(1)
	g.mu.Lock()
	g.submitted = append(g.submitted, v.ID)
	g.mu.Unlock()
	for !v.ended() && ctx.Err() == nil {
		if n%4 == 3 {
			retry := l.stream(ctx, g, "/api/jobs/"+v.ID+"/events", new(string), func(e jobState) {
				v = e
			})
			if !v.ended() {
				l.reconnects.Add(1)
				l.await(retry)
			}
			continue
		}
		if polled, ok := l.call(ctx, g, http.MethodGet, "/api/jobs/"+v.ID+"?wait=10", nil); ok {
			v = polled
		} else {
			l.await(pollPause)
		}
	}
	g.note("job %s was seen to end", v.ID)
	if v.Status != "succeeded" {
		l.failures.add("job %s: %s", v.ID, v.Status)
	}
}

// jobState is the part of a job that clients read.
type jobState struct {
	ID     string `json:"id"`
	Status string `json:"status"`
}

func (v jobState) ended() bool {
	return v.Status == "succeeded" || v.Status == "failed" || v.Status == "canceled"
}

// call sends a request and records a failure unless there is a valid response.
func (l *load) call(ctx context.Context, g *guest, method, path string, body []byte) (v jobState, ok bool) {
	req, err := http.NewRequestWithContext(ctx, method, l.url+path, bytes.NewReader(body))
	if err != nil {
		l.failures.add("%s %s: %v", method, path, err)
		return v, false
	}
	req.Header.Set("Cookie", g.cookie)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := l.client.Do(req)
	if err != nil {
		l.failures.add("%s %s: %v", method, path, err)
		return v, false
	}
	defer func() { _ = resp.Body.Close() }()
	data, err := io.ReadAll(resp.Body)
	if err != nil || (resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusAccepted) {
		l.failures.add("%s %s: %d %.200s %v", method, path, resp.StatusCode, data, err)
		return v, false
	}
	if err := json.Unmarshal(data, &v); err != nil {
		l.failures.add("%s %s: %v", method, path, err)
		return v, false
	}
	return v, true
}

// follow reads the stream of all jobs of a guest and reconnects like a browser.
func (l *load) follow(ctx context.Context, g *guest) {
	last := ""
	for ctx.Err() == nil {
		retry := l.stream(ctx, g, "/api/events", &last, func(v jobState) {
			if !v.ended() {
				return
			}
			g.mu.Lock()
			g.ended[v.ID] = true
			g.mu.Unlock()
		})
		if ctx.Err() == nil {
			l.reconnects.Add(1)
			select {
			case <-time.After(retry):
			case <-ctx.Done():
			}
		}
	}
}

// stream reads an event stream to its end. Browsers reconnect after a stream that ended or broke, and after a failed
// connection, but not after a status other than 200, which is a failure.
func (l *load) stream(ctx context.Context, g *guest, path string, last *string, each func(jobState)) (retry time.Duration) {
	retry = streamPause
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url+path, nil)
	if err != nil {
		l.failures.add("GET %s: %v", path, err)
		return retry
	}
	req.Header.Set("Cookie", g.cookie)
	if *last != "" {
		req.Header.Set("Last-Event-Id", *last)
	}
	resp, err := l.client.Do(req)
	if err != nil {
		if ctx.Err() == nil {
			l.failures.add("GET %s: %v", path, err)
		}
		return retry
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		data, _ := io.ReadAll(resp.Body)
		l.failures.add("GET %s: %d %.200s", path, resp.StatusCode, data)
		return retry
	}
	g.once.Do(func() { close(g.opened) })
	if path == "/api/events" {
		g.note("open, last event %q", *last)
		defer func() { g.note("closed, last event %q", *last) }()
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	id, data := "", ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "id":
			id = value
		case name == "data":
			data = value
		case name == "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				retry = time.Duration(ms) * time.Millisecond
			}
		case lines.Text() == "" && data == "":
			// An id without an event counts too.
			if id != "" {
				*last, id = id, ""
			}
		case lines.Text() == "":
			var v jobState
			if err := json.Unmarshal([]byte(data), &v); err != nil {
				l.failures.add("GET %s: %v", path, err)
			}
			if id != "" {
				*last = id
			}
			each(v)
			id, data = "", ""
		}
	}
	return retry
}
