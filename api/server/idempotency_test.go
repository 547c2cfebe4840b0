package server_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	c, _ := guest()
	var first, again view
	body := fields{"kind": "image", "input": fields{"prompt": "p"}} // Its seed is random.
	resp := b.submitWithKey(t, "key-1", body, cookie(c)).expect(t, http.StatusAccepted)
	resp.decode(t, &first)
	if id, err := uuid.Parse(first.ID); err != nil || id.Version() != 8 || id.Variant() != uuid.RFC4122 {
		t.Errorf("id %q: %v", first.ID, err)
	}
	if resp.Header.Get("Idempotent-Replayed") != "" {
		t.Error("the first submission is marked as a replay")
	}
	for _, same := range []any{
		body, `{"input": {"prompt": "p"}, "kind": "image"}`,
	} {
		resp = b.submitWithKey(t, `"key-1"`, same, cookie(c)).expect(t, http.StatusAccepted)
		resp.decode(t, &again)
		if again.ID != first.ID || again.Input["seed"] != first.Input["seed"] || !resp.replayed() {
			t.Errorf("replay: %v %s", resp.Header, resp.body)
		}
	}
	if got := b.metric(t, "jobs_submitted_total"); got != 1 {
		t.Errorf("%v submissions counted, want 1", got)
	}
	for _, other := range []any{
		fields{"kind": "image", "input": fields{"prompt": "q"}},
		fields{"kind": "prompt", "input": fields{"text": "p"}},
		fields{"kind": "image", "input": fields{"prompt": "p"}, "deadline_seconds": 60},
	} {
		b.submitWithKey(t, "key-1", other, cookie(c)).problem(t, http.StatusUnprocessableEntity, "idempotency_key_reused")
	}
	// A rejected request does not consume its key.
	b.submitWithKey(t, "key-2", fields{"kind": "image", "input": fields{}}, cookie(c)).problem(t, http.StatusBadRequest, "invalid_request")
	b.submitWithKey(t, "key-2", body, cookie(c)).expect(t, http.StatusAccepted)
}

func TestIdempotencyKeyAfterCompletion(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.work(t, job.KindPrompt, succeedJob)
	var first, again view
	resp := b.submitWithKey(t, "key", goodBody, preferWait(60)).expect(t, http.StatusOK)
	resp.decode(t, &first)
	if resp.Header.Get("Idempotent-Replayed") != "" {
		t.Error("the first submission is marked as a replay")
	}
	resp = b.submitWithKey(t, "key", goodBody).expect(t, http.StatusOK)
	resp.decode(t, &again)
	if again.ID != first.ID || again.Status != "succeeded" || !resp.replayed() || resp.Header.Get("Retry-After") != "" {
		t.Errorf("%v %s", resp.Header, resp.body)
	}
	eventually(t, "the queue is empty", func() bool {
		ids := b.queued(t, job.OwnerAnonymous)
		return len(ids) == 0
	})
}

func TestConcurrentIdempotencyKey(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const callers = 20
	ids := make([]string, callers)
	fresh := make([]bool, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			resp := b.submitWithKey(t, "key", goodBody)
			var v view
			resp.decode(t, &v)
			ids[i], fresh[i] = v.ID, resp.Header.Get("Idempotent-Replayed") == ""
		})
	}
	wg.Wait()
	created := 0
	for i := range callers {
		if ids[i] != ids[0] || ids[i] == "" {
			t.Errorf("id %q, want %q", ids[i], ids[0])
		}
		if fresh[i] {
			created++
		}
	}
	if created != 1 {
		t.Errorf("%d of %d submissions created the job", created, callers)
	}
}

func TestIdempotencyKeyBelongsToItsCaller(t *testing.T) {
	t.Parallel()
	b := setup(t, behindProxy)
	one, _ := guest()
	two, _ := guest()
	ids := map[string]string{}
	for name, o := range map[string]option{
		"guest one":                    cookie(one),
		"guest two":                    cookie(two),
		"203.0.113.7":                  fromIP("203.0.113.7"),
		"203.0.113.8":                  fromIP("203.0.113.8"),
		"203.0.114.7":                  fromIP("203.0.114.7"),
		"2001:db8:0:1::1":              fromIP("2001:db8:0:1::1"),
		"2001:db8:0:2::1":              fromIP("2001:db8:0:2::1"),
		"::ffff:198.51.100.1 (mapped)": fromIP("::ffff:198.51.100.1"),
	} {
		resp := b.submitWithKey(t, "key", goodBody, o).expect(t, http.StatusAccepted)
		var v view
		resp.decode(t, &v)
		if other, taken := ids[v.ID]; taken || resp.Header.Get("Idempotent-Replayed") != "" {
			t.Errorf("%s got the job of %s", name, other)
		}
		ids[v.ID] = name
	}
	for address, owner := range map[string]string{
		"203.0.113.7": "203.0.113.7", "2001:db8:0:1:ffff::9": "2001:db8:0:1::1", "198.51.100.1": "::ffff:198.51.100.1 (mapped)",
	} {
		var v view
		b.submitWithKey(t, "key", goodBody, fromIP(address)).decode(t, &v)
		if ids[v.ID] != owner {
			t.Errorf("%s got the job of %q, want that of %s", address, ids[v.ID], owner)
		}
	}
}

// TestIdempotencyKeyOfANeighbor has a client at a neighboring IPv4 address repeat another client's submission, with the same
// key and body, and then cancel the job that was returned.
func TestIdempotencyKeyOfANeighbor(t *testing.T) {
	t.Parallel()
	b := setup(t, behindProxy)
	victim, neighbor := fromIP("203.0.113.7"), fromIP("203.0.113.8")
	var first, other view
	b.submitWithKey(t, "key", goodBody, victim).expect(t, http.StatusAccepted).decode(t, &first)
	resp := b.submitWithKey(t, "key", goodBody, neighbor).expect(t, http.StatusAccepted)
	resp.decode(t, &other)
	if other.ID == first.ID || resp.Header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the neighbor got the other client's job: %v %s", resp.Header, resp.body)
	}
	// The job that the neighbor got is its own, to cancel and to delete.
	b.cancel(t, other.ID, neighbor).expect(t, http.StatusOK)
	still := b.get(t, "/api/jobs/"+first.ID, victim).job(t, http.StatusOK)
	if still.Status != "queued" {
		t.Errorf("the job of the first caller is %s", still.Status)
	}
}

func TestIdempotencyKeyIsChecked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, key := range []string{"", `""`, strings.Repeat("k", 256), "a b", "ключ", "a\tb", "é"} {
		b.submitWithKey(t, key, goodBody).problem(t, http.StatusBadRequest, "invalid_idempotency_key")
	}
	twice := func(r *http.Request) { r.Header["Idempotency-Key"] = []string{"a", "b"} }
	b.submit(t, goodBody, twice).problem(t, http.StatusBadRequest, "invalid_idempotency_key")
	for _, key := range []string{"a", strings.Repeat("k", 255), `"` + strings.Repeat("k", 255) + `"`, `!~"#`, `"a\"b"`} {
		b.submitWithKey(t, key, goodBody).expect(t, http.StatusAccepted)
	}
}
