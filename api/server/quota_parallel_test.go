package server_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestQuotaAcrossProcesses sends a thousand concurrent requests to two processes with a quota of 100: exactly 100 are accepted.
func TestQuotaAcrossProcesses(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(0, 100))
	second := b.secondProcess(t, withQuota(0, 100))
	got := countStatuses(1000, func(n int) *reply { return []*bundle{b, second}[n%2].submitImage(t) })
	ids := b.queued(t, job.OwnerAnonymous)
	if want := map[int]int{http.StatusAccepted: 100, http.StatusPaymentRequired: 900}; !maps.Equal(got, want) || len(ids) != 100 {
		t.Errorf("statuses %v, want %v; %d in the queue", got, want, len(ids))
	}
	b.expectLeft(t, "at the end", 0)
}

// TestQuotaWithMixedRequests repeatedly asks for four images when two are left, and sometimes for one: requests that do not fit
// do not block those that do.
func TestQuotaWithMixedRequests(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(0, 6))
	submit := func(n int) *reply {
		return b.submit(t, fields{"kind": "image", "input": fields{"prompt": "p", "n": n}})
	}
	submit(4).expect(t, http.StatusAccepted)
	inParallel(300, func(n int) {
		if n == 100 || n == 200 {
			submit(1).expect(t, http.StatusAccepted)
		} else {
			submit(4).expect(t, http.StatusPaymentRequired)
		}
	})
	b.expectLeft(t, "at the end", 0)
}

// TestReplaysDoNotConsumeQuota submits as many jobs as the quota allows, each with a key and several times concurrently. Replays
// cause no rejection.
func TestReplaysDoNotConsumeQuota(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(0, 60))
	inParallel(600, func(n int) {
		b.submitWithKey(t, fmt.Sprint("key-", n%60), imageBody).expect(t, http.StatusAccepted)
	})
	ids := b.queued(t, job.OwnerAnonymous)
	if len(ids) != 60 {
		t.Errorf("%d jobs, want 60", len(ids))
	}
	b.expectLeft(t, "at the end", 0)
}

// TestQuotaAfterDisconnects disconnects before the response: the number of charged units equals the number of jobs.
func TestQuotaAfterDisconnects(t *testing.T) {
	t.Parallel()
	b := setup(t, withQuota(0, 100))
	for n := range 40 {
		ctx, disconnect := context.WithCancel(t.Context())
		r := b.newRequest(ctx, t, http.MethodPost, "/api/jobs", imageBody)
		r.RequestURI, r.RemoteAddr = "/api/jobs", "127.0.0.1:1"
		if n == 0 {
			disconnect()
		} else {
			// At some point during the request.
			go func() {
				for range n * 20 {
					runtime.Gosched()
				}
				disconnect()
			}()
		}
		b.server.Handler().ServeHTTP(httptest.NewRecorder(), r)
		disconnect()
	}
	ids := b.queued(t, job.OwnerAnonymous)
	b.expectLeft(t, "of the day", 100-len(ids))
	if len(ids) == 0 {
		t.Error("no job was created")
	}
}
