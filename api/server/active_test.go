package server_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestActiveJobLimit reaches the limit of a guest and frees a slot in each possible way.
func TestActiveJobLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, owner := guest()
	var jobs []view
	for range 4 {
		v := b.submitImage(t, cookie(c)).job(t, http.StatusAccepted)
		jobs = append(jobs, v)
	}
	b.submitImage(t, cookie(c)).expectTooManyActive(t)
	// Other guests are not limited, and neither are callers without a cookie, whose jobs have no common owner.
	other, _ := guest()
	b.submitImage(t, cookie(other)).expect(t, http.StatusAccepted)
	for range 10 {
		b.submitImage(t).expect(t, http.StatusAccepted)
	}
	// Running and retrying jobs are active.
	b.putProgress(t, owner, &job.Progress{ID: jobs[0].ID, Status: job.StatusRunning, Delivery: 1, Step: 1})
	b.putProgress(t, owner, &job.Progress{ID: jobs[1].ID, Status: job.StatusRetrying, Delivery: 1, Step: 1})
	b.submitImage(t, cookie(c)).expectTooManyActive(t)
	// Canceled jobs are not active, and neither are finished ones, even while still in the queue.
	b.cancel(t, jobs[2].ID, cookie(c)).expect(t, http.StatusOK)
	b.submitImage(t, cookie(c)).expect(t, http.StatusAccepted)
	b.submitImage(t, cookie(c)).expectTooManyActive(t)
	spec, err := b.queue.Find(t.Context(), owner, jobs[0].ID)
	must(t, err)
	record, _ := failJob(job.CodeTimeout)(spec.Spec)
	record.Spec, record.FinishedAt = spec.Spec, at(9)
	_, _, err = b.store.PutRecord(t.Context(), record)
	must(t, err)
	b.submitImage(t, cookie(c)).expect(t, http.StatusAccepted)
	b.submitImage(t, cookie(c)).expectTooManyActive(t)
	if got := b.metric(t, "jobs_submitted_total"); got != 4+1+10+2 {
		t.Errorf("%v submissions counted", got)
	}
}

// TestActiveJobLimitUnderConcurrency sends a hundred submissions of one guest at once, and a few of another. Exactly as many
// are accepted as the limit allows, with and without idempotency keys.
func TestActiveJobLimitUnderConcurrency(t *testing.T) {
	t.Parallel()
	for name, keyed := range map[string]bool{"plain": false, "keyed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			c, owner := guest()
			other, _ := guest()
			var accepted atomic.Int32
			var wg sync.WaitGroup
			for n := range 100 {
				wg.Go(func() {
					options := []option{cookie(c)}
					if keyed {
						options = append(options, idempotencyKey(fmt.Sprint(n)))
					}
					switch resp := b.submitImage(t, options...); resp.StatusCode {
					case http.StatusAccepted:
						accepted.Add(1)
					case http.StatusTooManyRequests:
					default:
						t.Errorf("status %d: %s", resp.StatusCode, resp.body)
					}
				})
			}
			for range 4 {
				wg.Go(func() { b.submitImage(t, cookie(other)).expect(t, http.StatusAccepted) })
			}
			wg.Wait()
			ids := b.queued(t, owner)
			if accepted.Load() != 4 || len(ids) != 4 {
				t.Errorf("%d accepted, %d in the queue, want 4", accepted.Load(), len(ids))
			}
		})
	}
}

// TestActiveJobLimitAllowsReplays repeats submissions of a guest at the limit: a replay creates no job, so it is never rejected.
func TestActiveJobLimitAllowsReplays(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, owner := guest()
	ended := b.submitWithKey(t, "ended", goodBody, cookie(c)).job(t, http.StatusAccepted)
	entry, err := b.queue.Find(t.Context(), owner, ended.ID)
	must(t, err)
	b.settle(t, entry.Spec, &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeTimeout, 504)})
	var queued [4]view
	for n := range queued {
		b.submitWithKey(t, fmt.Sprint(n), goodBody, cookie(c)).expect(t, http.StatusAccepted).decode(t, &queued[n])
	}
	b.submitWithKey(t, "new", goodBody, cookie(c)).expectTooManyActive(t)
	for key, status := range map[string]int{"0": http.StatusAccepted, "3": http.StatusAccepted, "ended": http.StatusOK} {
		resp := b.submitWithKey(t, key, goodBody, cookie(c)).expect(t, status)
		if !resp.replayed() {
			t.Errorf("%s: %v", key, resp.Header)
		}
		b.submitWithKey(t, key, `{"kind":"prompt","input":{"text":"other"}}`, cookie(c)).problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	}
	// The rejected submission has not consumed its key.
	b.cancel(t, queued[2].ID, cookie(c)).expect(t, http.StatusOK)
	if resp := b.submitWithKey(t, "new", goodBody, cookie(c)).expect(t, http.StatusAccepted); resp.Header.Get("Idempotent-Replayed") != "" {
		t.Error("a rejected submission is replayed")
	}
}

// TestActiveJobLimitOnOriginalRoutes calls the routes that wait for the job.
func TestActiveJobLimitOnOriginalRoutes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, owner := guest()
	for n := range 4 {
		b.push(t, imageSpec(owner, fmt.Sprint("j", n)))
	}
	for _, path := range originalRoutes {
		for _, options := range [][]option{{cookie(c)}, {cookie(c), async}} {
			resp := b.post(t, path, originalBody(path), options...)
			resp.originalError(t, http.StatusTooManyRequests, "too_many_active_jobs")
			var wait struct {
				Seconds int `json:"retry_after"`
			}
			if resp.decode(t, &wait); wait.Seconds != 5 {
				t.Errorf("%s: retry_after %d", path, wait.Seconds)
			}
			if resp.Header.Get("Retry-After") != "5" || resp.Header.Get("X-Job-Id") != "" {
				t.Errorf("%s: headers %v", path, resp.Header)
			}
		}
	}
	ids := b.queued(t, owner)
	if len(ids) != 4 {
		t.Errorf("%d jobs in the queue", len(ids))
	}
}

// TestActiveJobLimitAndRetries retries a failed job: that creates a job like any other, once per key.
func TestActiveJobLimitAndRetries(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, owner := guest()
	b.storeFailedJob(t, owner, "before", job.CodeTimeout)
	again := b.retry(t, "before", nil, cookie(c), idempotencyKey("again")).job(t, http.StatusAccepted)
	for range 3 {
		b.submitImage(t, cookie(c)).expect(t, http.StatusAccepted)
	}
	b.retry(t, "before", nil, cookie(c)).expectTooManyActive(t)
	b.retry(t, "before", nil, cookie(c), idempotencyKey("more")).expectTooManyActive(t)
	resp := b.retry(t, "before", nil, cookie(c), idempotencyKey("again")).expect(t, http.StatusAccepted)
	if !resp.replayed() {
		t.Errorf("repeated retry: %v", resp.Header)
	}
	b.cancel(t, again.ID, cookie(c)).expect(t, http.StatusOK)
	b.retry(t, "before", nil, cookie(c)).expect(t, http.StatusAccepted)
}
