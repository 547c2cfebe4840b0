package server_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// open opens a stream that stays open until closeStream or the end of the test.
func (b *bundle) open(t *testing.T, path string, options ...option) (status int, closeStream func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	resp, err := b.client.Do(b.newRequest(ctx, t, http.MethodGet, path, nil, options...))
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	closeStream = func() {
		cancel()
		_ = resp.Body.Close()
	}
	t.Cleanup(closeStream)
	if resp.StatusCode == http.StatusOK {
		if _, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	return resp.StatusCode, closeStream
}

// withStreamLimits limits the streams of a caller and of the process.
func withStreamLimits(caller, all int) change {
	return func(cfg *server.Config, _ *server.Deps) {
		cfg.MaxStreamsPerCaller, cfg.MaxStreams, cfg.TrustedProxies = caller, all, []string{"127.0.0.1"}
	}
}

func TestStreamsOfOneCallerAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, withStreamLimits(2, 0))
	ann := b.newMember(t, annEmail)
	one, _ := guest()
	other, _ := guest()
	b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	const all, single = "/api/events", "/api/jobs/job-a/events"
	for name, tc := range map[string]struct {
		path    string
		options []option
		// others identify another caller.
		others []option
	}{
		"a member":         {all, []option{ann, fromIP("10.0.0.1")}, []option{cookie(one), fromIP("10.0.0.1")}},
		"a guest":          {all, []option{cookie(one), fromIP("10.0.0.2")}, []option{cookie(other), fromIP("10.0.0.2")}},
		"a guest, one job": {single, []option{cookie(one), fromIP("10.0.0.3")}, []option{cookie(other), fromIP("10.0.0.3")}},
		"anonymous":        {single, []option{fromIP("10.0.0.4")}, []option{fromIP("10.0.0.5")}},
		"anonymous, IPv6":  {single, []option{fromIP("2001:db8::1")}, []option{fromIP("2001:db8:0:1::1")}},
	} {
		var closers []func()
		for range 2 {
			status, closeStream := b.open(t, tc.path, tc.options...)
			if status != http.StatusOK {
				t.Fatalf("%s: status %d", name, status)
			}
			closers = append(closers, closeStream)
		}
		resp := b.get(t, tc.path, tc.options...)
		f := resp.problem(t, http.StatusTooManyRequests, "too_many_streams")
		if resp.Header.Get("Retry-After") == "" || !strings.Contains(f.Detail, "GET /api/events") || !strings.Contains(f.Detail, "2") {
			t.Errorf("%s: %v, %+v", name, resp.Header, f)
		}
		if name == "anonymous, IPv6" {
			// The same /64 is the same caller.
			b.get(t, tc.path, fromIP("2001:db8::2")).problem(t, http.StatusTooManyRequests, "too_many_streams")
		}
		// HEAD opens no stream and is not limited.
		b.head(t, tc.path, tc.options...).expect(t, http.StatusOK)
		if status, closeStream := b.open(t, tc.path, tc.others...); status != http.StatusOK {
			t.Errorf("%s: another caller gets %d", name, status)
		} else {
			closeStream()
		}
		closers[0]()
		eventually(t, "the slot is free again", func() bool {
			status, closeStream := b.open(t, tc.path, tc.options...)
			closeStream()
			return status == http.StatusOK
		})
		closers[1]()
		eventually(t, "all streams have ended", func() bool { n, keys := server.Streams(b.server); return n == 0 && keys == 0 })
	}
}

// TestNewCookiesDoNotRaiseTheLimit opens streams from one address with a new cookie each.
func TestNewCookiesDoNotRaiseTheLimit(t *testing.T) {
	t.Parallel()
	b := setup(t, withStreamLimits(1, 0))
	for n := range 10 {
		c, _ := guest()
		if status, _ := b.open(t, "/api/events", cookie(c), fromIP("10.0.0.1")); status != http.StatusOK {
			t.Fatalf("stream %d: status %d", n, status)
		}
	}
	c, _ := guest()
	b.get(t, "/api/events", cookie(c), fromIP("10.0.0.1")).problem(t, http.StatusTooManyRequests, "too_many_streams")
	// Members and guests at other addresses are counted separately.
	if status, _ := b.open(t, "/api/events", b.newMember(t, annEmail), fromIP("10.0.0.1")); status != http.StatusOK {
		t.Errorf("a member gets %d", status)
	}
	if status, _ := b.open(t, "/api/events", cookie(c), fromIP("10.0.0.2")); status != http.StatusOK {
		t.Errorf("another address gets %d", status)
	}
}

func TestStreamsOfTheProcessAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, withStreamLimits(0, 3))
	c, _ := guest()
	var last func()
	for range 3 {
		_, last = b.open(t, "/api/events", cookie(c))
	}
	resp := b.get(t, "/api/events", cookie(c))
	resp.problem(t, http.StatusServiceUnavailable, "unavailable")
	if resp.Header.Get("Retry-After") == "" {
		t.Errorf("headers %v", resp.Header)
	}
	last()
	eventually(t, "the slot is free again", func() bool {
		status, _ := b.open(t, "/api/events", cookie(c))
		return status == http.StatusOK
	})
}

// TestRejectedStreamsReleaseSlots sends requests that do not open a stream.
func TestRejectedStreamsReleaseSlots(t *testing.T) {
	t.Parallel()
	b := setup(t, withStreamLimits(1, 1))
	storeFinishedJob(t, b, "job-a", []byte("x"), "image/png")
	for range 3 {
		b.get(t, "/api/jobs/job-a/events", header("Last-Event-ID", "end")).expect(t, http.StatusNoContent)
		b.get(t, "/api/jobs/job-b/events").problem(t, http.StatusNotFound, "not_found")
		b.get(t, "/api/jobs/job-a/events").expect(t, http.StatusOK)
		b.get(t, "/api/events").problem(t, http.StatusUnauthorized, "identity_required")
		b.get(t, "/api/jobs/job-b?wait=1").problem(t, http.StatusNotFound, "not_found")
	}
	if n, keys := server.Streams(b.server); n != 0 || keys != 0 {
		t.Errorf("%d streams of %d callers are counted", n, keys)
	}
}

// TestWaitsAreBounded opens as many long polls as one address may.
func TestWaitsAreBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, withStreamLimits(1, 0))
	spec := b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	const waits = 10
	statuses := make(chan int, waits)
	for range waits {
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*hang)
			defer cancel()
			resp, err := b.client.Do(b.newRequest(ctx, t, http.MethodGet, "/api/jobs/job-a?wait=60", nil))
			if err != nil {
				statuses <- 0
				return
			}
			_ = resp.Body.Close()
			statuses <- resp.StatusCode
		}()
	}
	eventually(t, "all requests wait", func() bool { return server.Waits(b.server) == waits })
	resp := b.get(t, "/api/jobs/job-a?wait=60")
	if f := resp.problem(t, http.StatusTooManyRequests, "too_many_streams"); !strings.Contains(f.Detail, fmt.Sprint(waits)) {
		t.Errorf("%+v", f)
	}
	// Requests that do not wait still succeed. A submission that asks to wait is accepted, without the wait.
	b.get(t, "/api/jobs/job-a").expect(t, http.StatusOK)
	accepted := b.submit(t, fields{"kind": "translation", "input": fields{"text": "x"}}, preferWait(60)).expect(t, http.StatusAccepted)
	if got := accepted.Header.Get("Preference-Applied"); got != "" {
		t.Errorf("applied %q", got)
	}
	b.settle(t, spec, &job.Record{Status: job.StatusCanceled})
	for range waits {
		if status := <-statuses; status != http.StatusOK {
			t.Errorf("a long poll ended with status %d", status)
		}
	}
	eventually(t, "the slots are free again", func() bool { return server.Waits(b.server) == 0 })
}

// TestTokenCheckDoesNotHoldUpEvents has NATS not respond to the check of a member's token.
func TestTokenCheckDoesNotHoldUpEvents(t *testing.T) {
	t.Parallel()
	nats := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	wire := brokertest.NewWire(t, nats.ClientURL())
	client := brokertest.Start(t, func(c *broker.Config) { c.URL, c.Follower = env.Secret(wire.URL), true })
	b := setup(t, withKeepAlive(20*time.Millisecond), func(_ *server.Config, deps *server.Deps) {
		deps.Accounts, deps.Recovery = newAccounts(t, client, deps.Log)
	})
	spec := b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	s := b.stream(t, "/api/jobs/job-a/events", b.newMember(t, annEmail))
	next := func() string {
		for {
			if got := s.block(); got != ": keep-alive" {
				return got
			}
		}
	}
	next()
	next()
	checking, release := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(checking) })
	wire.Hold(func(m brokertest.Message) <-chan struct{} {
		if m.FromClient && strings.Contains(m.Subject, broker.UsersStream) {
			first()
			return release
		}
		return nil
	})
	<-checking
	b.putProgress(t, spec.Owner, &job.Progress{ID: spec.ID, Status: job.StatusRunning, Delivery: 1, Step: 1, Attempt: 1})
	if got := next(); !strings.HasPrefix(got, "event: running") {
		t.Errorf("during the check: %q", got)
	}
	if got := s.block(); got != ": keep-alive" {
		t.Errorf("during the check: %q", got)
	}
	close(release)
	b.putProgress(t, spec.Owner, &job.Progress{ID: spec.ID, Status: job.StatusRunning, Delivery: 1, Step: 2, Attempt: 1})
	if got := next(); !strings.HasPrefix(got, "event: running") {
		t.Errorf("after the check: %q", got)
	}
}

// TestRevokedTokenEndsStreams signs a member out whose streams are open.
func TestRevokedTokenEndsStreams(t *testing.T) {
	t.Parallel()
	b := setup(t, withKeepAlive(10*time.Millisecond))
	b.push(t, imageSpec(job.OwnerAnonymous, "job-a"))
	ann := b.newMember(t, annEmail)
	streams := []*stream{b.stream(t, "/api/jobs/job-a/events", ann), b.stream(t, "/api/events", ann)}
	others := b.stream(t, "/api/jobs/job-a/events")
	b.awaitStreams(t, 3)
	b.auth(t, "logout", nil, ann).expect(t, http.StatusOK)
	for _, s := range streams {
		if _, err := io.Copy(io.Discard, s.Body); err != nil {
			t.Errorf("the stream did not end normally: %v", err)
		}
	}
	b.awaitStreams(t, 1)
	if got := others.block(); got != "retry: 2000" {
		t.Errorf("another caller's stream: %q", got)
	}
}
