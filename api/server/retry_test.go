package server_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// retried is the job of a retry as a client reads it.
type retried struct {
	view
	RetriedFrom string `json:"retried_from"`
}

func TestRetry(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.MaxActiveGuest = 0 })
	c, me := guest()
	b.storeFailedJob(t, me, "mine", job.CodeTimeout)
	for name, tc := range map[string]struct {
		body    any
		seed    float64
		seconds float64
	}{
		"as before":          {nil, 7, 90},
		"with an empty body": {" \n", 7, 90},
		"with an object":     {"{}", 7, 90},
		"another seed":       {fields{"seed": 8}, 8, 90},
		"another deadline":   {fields{"deadline_seconds": 5, "seed": nil}, 7, 5},
	} {
		var got retried
		resp := b.retry(t, "mine", tc.body, cookie(c)).expect(t, http.StatusAccepted)
		resp.decode(t, &got)
		if got.RetriedFrom != "mine" || got.ID == "mine" || got.Status != "queued" || resp.Header.Get("Location") != "/api/jobs/"+got.ID {
			t.Errorf("%s: %s", name, resp.body)
		}
		if got.Input["seed"] != tc.seed || got.Input["prompt"] != "a lighthouse" || got.MaxAttempts != 8 {
			t.Errorf("%s: %s", name, resp.body)
		}
		created, err := time.Parse(time.RFC3339, got.CreatedAt)
		must(t, err)
		deadline, err := time.Parse(time.RFC3339, got.Deadline)
		must(t, err)
		if got := deadline.Sub(created).Seconds(); got != tc.seconds || time.Since(created) > time.Minute {
			t.Errorf("%s: created at %s, with %v s to spare", name, created, got)
		}
	}
	var random retried
	b.retry(t, "mine", fields{"seed": -1}, cookie(c)).expect(t, http.StatusAccepted).decode(t, &random)
	if seed, ok := random.Input["seed"].(float64); !ok || seed < 0 {
		t.Errorf("a random seed is %v", random.Input["seed"])
	}
	// The old record is unchanged.
	old := b.get(t, "/api/jobs/mine", cookie(c)).job(t, http.StatusOK)
	if old.Status != "failed" || old.Input["seed"] != 7.0 {
		t.Errorf("the old job is %+v", old)
	}
	if got := b.metric(t, "jobs_submitted_total"); got != 6 {
		t.Errorf("%v submissions counted, want 6", got)
	}
	// The retry of an anonymous job belongs to the caller.
	b.storeFailedJob(t, job.OwnerAnonymous, "anonymous", job.CodeTimeout)
	var own retried
	b.retry(t, "anonymous", nil, cookie(c)).expect(t, http.StatusAccepted).decode(t, &own)
	b.get(t, "/api/jobs/"+own.ID).problem(t, http.StatusNotFound, "not_found")
	b.get(t, "/api/jobs/"+own.ID, cookie(c)).expect(t, http.StatusOK)
}

func TestRetryErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, me := guest()
	other, _ := guest()
	b.storeFailedJob(t, me, "mine", job.CodeTimeout)
	b.storeFailedJob(t, me, "unreadable", job.CodeInvalidJob)
	b.push(t, fixedSpec(me, "queued"))
	b.settle(t, fixedSpec(me, "done"), &job.Record{Status: job.StatusSucceeded, FinishedAt: at(9)})
	gone := fixedSpec(me, "retired")
	gone.Input.(*job.ImageInput).Model = "turbo"
	b.settle(t, gone, &job.Record{Status: job.StatusCanceled, FinishedAt: at(9)})
	text := newSpec(me, "text", job.KindPrompt, &job.TextInput{Text: "t"})
	b.settle(t, text, &job.Record{Status: job.StatusCanceled, Cancel: job.CancelBeforeStart})
	for name, tc := range map[string]struct {
		id      string
		body    any
		options []option
		status  int
		code    string
		fault   string
	}{
		"queued":           {"queued", nil, nil, 409, "not_retryable", ""},
		"succeeded":        {"done", nil, nil, 409, "not_retryable", ""},
		"unreadable":       {"unreadable", nil, nil, 409, "not_retryable", ""},
		"unknown":          {"nothing", nil, nil, 404, "not_found", ""},
		"another guest's":  {"mine", nil, []option{header("Cookie", other.String())}, 404, "not_found", ""},
		"an unknown field": {"mine", fields{"prompt": "other"}, nil, 400, "invalid_request", "/prompt unknown_field"},
		"a bad seed":       {"mine", fields{"seed": -2}, nil, 400, "invalid_request", "/seed out_of_range"},
		"a text as seed":   {"mine", fields{"seed": "x"}, nil, 400, "invalid_request", "/seed wrong_type"},
		"a huge seed":      {"mine", fields{"seed": 1 << 40}, nil, 400, "invalid_request", "/seed out_of_range"},
		"a bad deadline":   {"mine", fields{"deadline_seconds": 0}, nil, 400, "invalid_request", "/deadline_seconds out_of_range"},
		"a text's seed":    {"text", fields{"seed": 1}, nil, 400, "invalid_request", "/seed unknown_field"},
		"a retired model":  {"retired", nil, nil, 400, "invalid_request", "/input/model retired_model"},
		"not JSON":         {"mine", "{", nil, 400, "invalid_json", ""},
		"a bad key":        {"mine", nil, []option{idempotencyKey("a b")}, 400, "invalid_idempotency_key", ""},
		"another type":     {"mine", "{}", []option{header("Content-Type", "text/plain")}, 415, "unsupported_media_type", ""},
	} {
		options := append([]option{cookie(c)}, tc.options...)
		f := b.retry(t, tc.id, tc.body, options...).problem(t, tc.status, tc.code)
		if tc.fault != "" && fmt.Sprint(f.Errors.list()) != "["+tc.fault+"]" {
			t.Errorf("%s: %v, want %s", name, f.Errors.list(), tc.fault)
		}
		if tc.status == http.StatusConflict && f.Job == nil {
			t.Errorf("%s: the job is not shown", name)
		}
	}
	if got := b.metric(t, "jobs_submitted_total"); got != 0 {
		t.Errorf("%v submissions counted, want none", got)
	}
}

// TestRetryOncePerKey sends concurrent retries with one key, as a double click does.
func TestRetryOncePerKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, me := guest()
	b.storeFailedJob(t, me, "mine", job.CodeTimeout)
	b.storeFailedJob(t, me, "other", job.CodeTimeout)
	const clicks = 20
	ids := make([]string, clicks)
	var wg sync.WaitGroup
	for i := range clicks {
		wg.Go(func() {
			var got retried
			b.retry(t, "mine", nil, cookie(c), idempotencyKey("click")).expect(t, http.StatusAccepted).decode(t, &got)
			ids[i] = got.ID
		})
	}
	wg.Wait()
	for _, id := range ids {
		if id != ids[0] || id == "" {
			t.Fatalf("ids %v", ids)
		}
	}
	if got := b.metric(t, "jobs_submitted_total"); got != 1 {
		t.Errorf("%v submissions counted, want 1", got)
	}
	key := idempotencyKey("click")
	b.retry(t, "other", nil, cookie(c), key).problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	b.retry(t, "mine", fields{"seed": 1}, cookie(c), key).problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	b.submitWithKey(t, "click", goodBody, cookie(c)).problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")

	// The key stays valid after the original job has been deleted.
	must(t, b.store.Delete(t.Context(), me, "mine", false))
	resp := b.retry(t, "mine", nil, cookie(c), key).expect(t, http.StatusAccepted)
	var again retried
	resp.decode(t, &again)
	if again.ID != ids[0] || !resp.replayed() {
		t.Errorf("%v %s", resp.Header, resp.body)
	}
	b.retry(t, "mine", fields{"seed": 1}, cookie(c), key).problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	b.retry(t, "mine", nil, cookie(c), idempotencyKey("fresh")).problem(t, http.StatusNotFound, "not_found")
	b.retry(t, "mine", nil, cookie(c)).problem(t, http.StatusNotFound, "not_found")
}
