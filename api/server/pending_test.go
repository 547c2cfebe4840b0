package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/jobs/jobstest"
)

// slowStore is a NATS server that confirms no job until release.
type slowStore struct {
	broker *broker.Broker

	mu   sync.Mutex
	held chan struct{} // closed by release
	// publishes counts the publishes of each job; changed is signaled after each.
	publishes map[string]int
	changed   chan struct{}
}

// withSlowStore has a server store its jobs in a slowStore.
func withSlowStore(t *testing.T) (*slowStore, change) {
	t.Helper()
	s := &slowStore{
		broker: brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" }),
		held:   make(chan struct{}), publishes: make(map[string]int), changed: make(chan struct{}, 1),
	}
	wire := brokertest.NewWire(t, s.broker.ClientURL())
	wire.Hold(func(m brokertest.Message) <-chan struct{} {
		if !m.FromClient || !strings.HasPrefix(m.Subject, "jobs.") {
			return nil
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.publishes[m.Subject]++
		select {
		case s.changed <- struct{}{}:
		default:
		}
		return s.held
	})
	client := brokertest.Start(t, func(c *broker.Config) { c.URL, c.Follower = env.Secret(wire.URL), true })
	return s, func(_ *server.Config, deps *server.Deps) {
		r := jobstest.On(t, client)
		deps.Queue, deps.Store, deps.Jobs = r.Queue, r.Store, r.Jobs
	}
}

// awaitPublishes waits until this many jobs have been published this many times.
func (s *slowStore) awaitPublishes(t *testing.T, jobs, times int) {
	t.Helper()
	guard := time.NewTimer(2 * hang)
	defer guard.Stop()
	for {
		s.mu.Lock()
		enough := 0
		for _, n := range s.publishes {
			if n >= times {
				enough++
			}
		}
		s.mu.Unlock()
		if enough >= jobs {
			return
		}
		select {
		case <-s.changed:
		case <-guard.C:
			t.Fatalf("%d jobs were published %d times, want %d", enough, times, jobs)
		}
	}
}

// release lets the store confirm jobs.
func (s *slowStore) release() { close(s.held) }

// stored returns the number of jobs in the queue.
func (s *slowStore) stored(t *testing.T) uint64 {
	t.Helper()
	stream, err := s.broker.JetStream().Stream(t.Context(), broker.StreamJobs)
	must(t, err)
	return stream.CachedInfo().State.Msgs
}

// TestSubmissionsWaitForASlowStore sends two hundred submissions to a store that confirms nothing for about 15 seconds, in which
// each job is published three times: each submission is accepted, once.
func TestSubmissionsWaitForASlowStore(t *testing.T) {
	t.Parallel()
	const jobs = 200
	slow, on := withSlowStore(t)
	b := setup(t, on, withSubmitTimeout(2*hang))
	var wg sync.WaitGroup
	for n := range jobs {
		wg.Go(func() {
			var options []option
			if n%2 == 0 {
				options = append(options, idempotencyKey(fmt.Sprintf("key-%d", n)))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 4*hang)
			defer cancel()
			resp, err := b.client.Do(b.newRequest(ctx, t, http.MethodPost, "/api/jobs", goodBody, options...))
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = resp.Body.Close() }()
			if resp.StatusCode != http.StatusAccepted || resp.Header.Get("Idempotent-Replayed") != "" {
				t.Errorf("status %d, replayed %q", resp.StatusCode, resp.Header.Get("Idempotent-Replayed"))
			}
		})
	}
	slow.awaitPublishes(t, jobs, 3)
	slow.release()
	wg.Wait()
	if n := slow.stored(t); n != jobs {
		t.Errorf("%d messages for %d jobs", n, jobs)
	}
}

// TestSlowSubmissionIsCharged has a submission find its own earlier publish: it is not a replay, and is charged.
func TestSlowSubmissionIsCharged(t *testing.T) {
	t.Parallel()
	slow, on := withSlowStore(t)
	b := setup(t, on, withQuota(9, 9), withSubmitTimeout(2*hang))
	var wg sync.WaitGroup
	wg.Go(func() {
		resp := b.submit(t, imageBody, idempotencyKey("key"))
		resp.expect(t, http.StatusAccepted)
		if got := resp.Header.Get("Idempotent-Replayed"); got != "" {
			t.Errorf("replayed %q", got)
		}
	})
	slow.awaitPublishes(t, 1, 2)
	slow.release()
	wg.Wait()
	b.expectLeft(t, "after one job", 8)
	if n := slow.stored(t); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestPendingSubmissionsAreBounded fills the slots of one address, then all slots. Pending submissions are accepted at the end.
func TestPendingSubmissionsAreBounded(t *testing.T) {
	t.Parallel()
	slow, on := withSlowStore(t)
	b := setup(t, on, behindProxy, withSubmitTimeout(2*hang), func(cfg *server.Config, _ *server.Deps) { cfg.MaxPending = 4 })
	var wg sync.WaitGroup
	pend := func(address string, jobs int) {
		wg.Go(func() {
			b.submit(t, goodBody, fromIP(address)).expect(t, http.StatusAccepted)
		})
		slow.awaitPublishes(t, jobs, 1)
	}
	busy := func(address string) {
		t.Helper()
		resp := b.submit(t, goodBody, fromIP(address))
		resp.problem(t, http.StatusServiceUnavailable, "unavailable")
		if resp.Header.Get("Retry-After") != "5" || !strings.Contains(string(resp.body), "waiting to be stored") {
			t.Errorf("%v %s", resp.Header, resp.body)
		}
		for _, path := range originalRoutes {
			b.post(t, path, originalBody(path), fromIP(address)).originalError(t, http.StatusServiceUnavailable, "unavailable")
		}
	}
	pend("192.0.2.1", 1)
	pend("192.0.2.1", 2)
	busy("192.0.2.1")
	pend("192.0.2.2", 3)
	pend("192.0.2.3", 4)
	busy("192.0.2.4")
	slow.release()
	wg.Wait()
	for _, address := range []string{"192.0.2.1", "192.0.2.4"} {
		b.submit(t, goodBody, fromIP(address)).expect(t, http.StatusAccepted)
	}
	if n := slow.stored(t); n != 6 {
		t.Errorf("%d messages", n)
	}
}

// TestDisconnectDuringPendingSubmission checks that a disconnected caller frees its slot and that a charged submission still
// completes.
func TestDisconnectDuringPendingSubmission(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]change{
		"without a quota": func(*server.Config, *server.Deps) {}, "with a quota": withQuota(9, 9),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			slow, on := withSlowStore(t)
			b := setup(t, on, change, withSubmitTimeout(2*hang), func(cfg *server.Config, _ *server.Deps) { cfg.MaxPending = 2 })
			ctx, disconnect := context.WithCancel(t.Context())
			gone := make(chan struct{})
			go func() {
				defer close(gone)
				resp, err := b.client.Do(b.newRequest(ctx, t, http.MethodPost, "/api/jobs", imageBody))
				if err == nil {
					_ = resp.Body.Close()
					t.Errorf("status %d after the disconnect", resp.StatusCode)
				}
			}()
			slow.awaitPublishes(t, 1, 1)
			disconnect()
			<-gone
			slow.release()
			guard := time.Now().Add(hang)
			for time.Now().Before(guard) {
				resp := b.submit(t, imageBody)
				if resp.StatusCode == http.StatusAccepted {
					break
				}
				resp.problem(t, http.StatusServiceUnavailable, "unavailable")
			}
			if n := slow.stored(t); n != 2 {
				t.Errorf("%d messages", n)
			}
			if name == "with a quota" {
				b.expectLeft(t, "after two jobs", 7)
			}
		})
	}
}

// TestWaitCountsFromTheRequest checks that the wait of Prefer includes the time that storing the job takes.
func TestWaitCountsFromTheRequest(t *testing.T) {
	t.Parallel()
	slow, on := withSlowStore(t)
	b := setup(t, on, withSubmitTimeout(2*hang))
	done := make(chan *reply, 1)
	go func() {
		done <- b.submit(t, goodBody, preferWait(20))
	}()
	// The second publish comes five seconds after the first.
	slow.awaitPublishes(t, 1, 2)
	slow.release()
	began := time.Now()
	resp := <-done
	resp.expect(t, http.StatusAccepted)
	if took := time.Since(began); took > 18*time.Second {
		t.Errorf("the request waited %s after the job was stored", took)
	}
	if got := resp.Header.Get("Preference-Applied"); got != "wait=20" {
		t.Errorf("Preference-Applied %q", got)
	}
}
