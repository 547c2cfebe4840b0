package server_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// TestQuotaAcrossProcesses sends them to two processes at once at a quota of 100: exactly 100 pass.
func TestQuotaAcrossProcesses(t *testing.T) {
	t.Parallel()
	var other *server.Server
	b := setup(t, withQuota(0, 100), func(cfg *server.Config, deps *server.Deps) {
		second := *deps
		second.Metrics = telemetry.NewMetrics()
		second.Quota = quota.New(deps.Broker, quota.Plans{Media: planOf(0, 100)}, deps.Now)
		var err error
		other, err = server.New(*cfg, second)
		must(t, err)
	})
	second := httptest.NewServer(other.Handler())
	defer second.Close()
	neighbour := *b
	neighbour.url = second.URL
	var passed, refused atomic.Int32
	var wg sync.WaitGroup
	turn := make(chan struct{}, 64)
	for n := range 1000 {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			process := b
			if n%2 == 0 {
				process = &neighbour
			}
			switch resp := process.submitImage(t); resp.StatusCode {
			case http.StatusAccepted:
				passed.Add(1)
			case http.StatusPaymentRequired:
				refused.Add(1)
			default:
				t.Errorf("status %d: %s", resp.StatusCode, resp.body)
			}
		})
	}
	wg.Wait()
	ids, err := b.queue.OwnerIDs(t.Context(), job.OwnerAnonymous)
	must(t, err)
	if passed.Load() != 100 || refused.Load() != 900 || len(ids) != 100 {
		t.Errorf("%d passed, %d refused, %d in the queue", passed.Load(), refused.Load(), len(ids))
	}
	b.expectLeft(t, "in the end", 0)
}

// TestQuotaWithMixedRequests asks for four images again and again where two are left, and in between for one: what does not fit does
// not stand in the way of what does.
func TestQuotaWithMixedRequests(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(0, 6))
	ask := func(n int) *reply {
		return b.request(t, http.MethodPost, "/api/jobs", fields{"kind": "image", "input": fields{"prompt": "p", "n": n}})
	}
	ask(4).expect(t, http.StatusAccepted)
	inParallel(300, func(n int) {
		if n == 100 || n == 200 {
			ask(1).expect(t, http.StatusAccepted)
		} else {
			ask(4).expect(t, http.StatusPaymentRequired)
		}
	})
	b.expectLeft(t, "in the end", 0)
}

// TestReplaysDoNotConsumeQuota submits as many jobs as the quota allows, each under a key and several times at once. Nobody is
// refused because somebody else repeats himself.
func TestReplaysDoNotConsumeQuota(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(0, 60))
	inParallel(600, func(n int) {
		b.submitWithKey(t, fmt.Sprint("key-", n%60), imageBody).expect(t, http.StatusAccepted)
	})
	ids, err := b.queue.OwnerIDs(t.Context(), job.OwnerAnonymous)
	must(t, err)
	if len(ids) != 60 {
		t.Errorf("%d jobs, want 60", len(ids))
	}
	b.expectLeft(t, "in the end", 0)
}

// inParallel calls f so many times, 64 at once.
func inParallel(times int, f func(n int)) {
	var wg sync.WaitGroup
	turn := make(chan struct{}, 64)
	for n := range times {
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			f(n)
		})
	}
	wg.Wait()
}

// TestQuotaAfterDisconnects leaves before it is answered: as many are counted as there are jobs.
func TestQuotaAfterDisconnects(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(0, 100))
	for n := range 40 {
		ctx, hangUp := context.WithCancel(t.Context())
		r := b.newRequest(ctx, t, http.MethodPost, "/api/jobs", imageBody)
		r.RequestURI, r.RemoteAddr = "/api/jobs", "127.0.0.1:1"
		if n == 0 {
			hangUp()
		} else {
			// Anywhere in between.
			go func() {
				for range n * 20 {
					runtime.Gosched()
				}
				hangUp()
			}()
		}
		b.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
		hangUp()
	}
	ids, err := b.queue.OwnerIDs(t.Context(), job.OwnerAnonymous)
	must(t, err)
	b.expectLeft(t, "of the day", 100-len(ids))
	if len(ids) == 0 {
		t.Error("no job was made")
	}
}
