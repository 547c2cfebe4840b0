package app_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// submitWithKey submits an image job with an idempotency key.
func (i *instance) submitWithKey(t testing.TB, key, prompt string) apptest.Response {
	t.Helper()
	return i.Do(t, http.MethodPost, "/api/jobs", imageBody(prompt), "Idempotency-Key: "+key)
}

func imageBody(prompt string) fields {
	return fields{"kind": "image", "input": fields{"prompt": prompt, "width": 64, "height": 64}}
}

// TestIdempotencyKeyAcrossProcesses sends a submission fifty times concurrently through two processes, again after the job
// has finished, and again after both have restarted.
func TestIdempotencyKeyAcrossProcesses(t *testing.T) {
	t.Parallel()
	for name, held := range map[string]bool{"while it runs": true, "while it ends": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startCluster(t)
			if held {
				if err := s.simulator().Script(simulator.Rule{Kind: simulator.KindImage, Hold: true}); err != nil {
					t.Fatal(err)
				}
			}
			one, two := run(t, s.api(t, s.address())), run(t, s.api(t, s.address()))
			one.Visit(t)
			two.Cookie = one.Cookie
			const times = 50
			ids := make([]string, times)
			var first atomic.Int32
			var wg sync.WaitGroup
			for n := range times {
				wg.Go(func() {
					resp := []*instance{one, two}[n%2].submitWithKey(t, "the-key", "a boat")
					if resp.StatusCode != http.StatusAccepted && resp.StatusCode != http.StatusOK {
						t.Errorf("status %d: %s", resp.StatusCode, resp.Data)
						return
					}
					if resp.Header.Get("Idempotent-Replayed") == "" {
						first.Add(1)
					}
					var v apptest.Job
					resp.Decode(t, &v)
					ids[n] = v.ID
				})
			}
			wg.Wait()
			for _, id := range ids {
				if id == "" || id != ids[0] {
					t.Fatalf("ids %v", ids)
				}
			}
			if first.Load() != 1 {
				t.Errorf("%d responses without Idempotent-Replayed, want 1", first.Load())
			}
			s.simulator().Release()
			done := one.Wait(t, ids[0])
			s.awaitEmptyQueue(t)
			again := func(i *instance, when string) {
				t.Helper()
				resp := i.submitWithKey(t, `"the-key"`, "a boat")
				var v apptest.Job
				resp.Decode(t, &v)
				if resp.StatusCode != http.StatusOK || resp.Header.Get("Idempotent-Replayed") != "true" || v.ID != done.ID || v.FinishedAt != done.FinishedAt {
					t.Errorf("%s: %d %v %s", when, resp.StatusCode, resp.Header, resp.Data)
				}
				if resp := i.submitWithKey(t, "the-key", "another boat"); resp.StatusCode != http.StatusUnprocessableEntity {
					t.Errorf("%s, another body: %d %s", when, resp.StatusCode, resp.Data)
				}
			}
			again(one, "after the end, one")
			again(two, "after the end, two")
			one.Close(t)
			two.Close(t)
			three := start(t, s.api(t, s.address()))
			three.Cookie = one.Cookie
			again(three, "after a restart")
			s.awaitEmptyQueue(t)
			if got := s.simulator().Count(simulator.KindImage, ""); got != 1 || done.Status != "succeeded" {
				t.Errorf("%d upstream calls, the job %s", got, done.Status)
			}
		})
	}
}

// awaitEmptyQueue waits until the queue is empty.
func (s *cluster) awaitEmptyQueue(t *testing.T) {
	t.Helper()
	s.eventually(t, "the queue is empty", func(q *queue.Queue) bool {
		states, err := q.States(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range states {
			if state.Waiting > 0 || state.InFlight > 0 || state.OldestAge > 0 {
				return false
			}
		}
		return true
	})
}

func (s *cluster) eventually(t *testing.T, what string, holds func(*queue.Queue) bool) {
	t.Helper()
	q, err := queue.New(t.Context(), s.nats)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(hang); !holds(q); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestLostResponse sends submissions and closes the connection at once or after the job is stored, and then repeats each
// submission at another process.
func TestLostResponse(t *testing.T) {
	t.Parallel()
	s := startCluster(t)
	one, two := start(t, s.api(t, s.address())), start(t, s.api(t, s.address()))
	// Hanging calls occupy the slots of the worker, so that the jobs stay in the queue.
	if err := s.simulator().Script(simulator.Rule{Kind: simulator.KindImage, Hold: true}); err != nil {
		t.Fatal(err)
	}
	const rounds = 20
	var ids []string
	for n := range rounds {
		key, prompt := fmt.Sprintf("lost-%d", n), fmt.Sprintf("boat number %d.", n)
		closeConn := one.send(t, key, imageBody(prompt))
		isStored := n%2 == 0
		if isStored {
			s.eventually(t, "the job is stored", func(q *queue.Queue) bool {
				queued, err := q.OwnerIDs(t.Context(), job.OwnerAnonymous)
				if err != nil {
					t.Fatal(err)
				}
				return len(queued) == n+1
			})
		}
		closeConn()
		resp := two.submitWithKey(t, key, prompt)
		if resp.StatusCode != http.StatusAccepted || (isStored && resp.Header.Get("Idempotent-Replayed") != "true") {
			t.Fatalf("repeated submission: %d %v %s", resp.StatusCode, resp.Header, resp.Data)
		}
		var v apptest.Job
		resp.Decode(t, &v)
		ids = append(ids, v.ID)
	}
	s.simulator().Release()
	s.simulator().Clear()
	for n, id := range ids {
		if v := two.Wait(t, id); v.Status != "succeeded" {
			t.Errorf("job %d: %s", n, v.Status)
		}
		if got := s.simulator().Count(simulator.KindImage, fmt.Sprintf("boat number %d.", n)); got != 1 {
			t.Errorf("job %d: %d upstream calls", n, got)
		}
	}
	s.awaitEmptyQueue(t)
}

// send writes a submission to a new connection without reading the response. closeConn closes the connection.
func (i *instance) send(t *testing.T, key string, body fields) (closeConn func()) {
	t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", i.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_, err = fmt.Fprintf(conn, "POST /api/jobs HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nIdempotency-Key: %s\r\n\r\n%s",
		i.Addr(), len(data), key, data)
	if err != nil {
		t.Fatal(err)
	}
	return func() { _ = conn.Close() }
}

// TestLostPublishAck cuts the connection to NATS while the acknowledgment of a published job is in transit. The job may
// leave the queue before the API retries, and must not be created twice.
func TestLostPublishAck(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		headers []string
		held    bool
	}{
		"no key, finished meanwhile": {nil, false},
		"key, finished meanwhile":    {[]string{"Idempotency-Key: k"}, false},
		"no key, still running":      {nil, true},
		"key, still running":         {[]string{"Idempotency-Key: k"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startCluster(t)
			if tc.held {
				if err := s.simulator().Script(simulator.Rule{Kind: simulator.KindImage, Hold: true}); err != nil {
					t.Fatal(err)
				}
			}
			cutter := brokertest.NewCutter(t, s.address())
			i := start(t, s.api(t, cutter.Addr))
			i.Visit(t)
			cutter.Armed.Store(true)
			v := i.Submit(t, imageBody("a boat"), tc.headers...)
			if cutter.Armed.Load() {
				t.Fatal("the connection was not cut")
			}
			s.simulator().Release()
			if done := i.Wait(t, v.ID); done.Status != "succeeded" {
				t.Errorf("the job %s", done.Status)
			}
			s.awaitEmptyQueue(t)
			var page struct {
				Jobs []apptest.Job `json:"jobs"`
			}
			i.Do(t, http.MethodGet, "/api/jobs", nil).Decode(t, &page)
			if got := s.simulator().Count(simulator.KindImage, ""); got != 1 || len(page.Jobs) != 1 {
				t.Errorf("%d upstream calls for %d jobs", got, len(page.Jobs))
			}
		})
	}
}
