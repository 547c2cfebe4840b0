package app_test

import (
	"bytes"
	"net/http"
	"sync"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// TestIdenticalRequestsShareACall submits the same image fifty times concurrently through two processes, and then again after it has
// ended.
func TestIdenticalRequestsShareACall(t *testing.T) {
	t.Parallel()
	s := startCluster(t)
	if err := s.simulator().Script(simulator.Rule{Kind: simulator.KindImage, Contains: "boat", Hold: true}); err != nil {
		t.Fatal(err)
	}
	// Identical jobs count as one among the active ones, and only the first is charged.
	settings := []string{"MAX_ACTIVE_JOBS_GUEST=1", "QUOTA_GUEST_PER_MINUTE=8", "QUOTA_GUEST_PER_DAY=8"}
	one, two := start(t, s.api(t, s.address(), settings...)), start(t, s.api(t, s.address(), settings...))
	one.Visit(t)
	two.Cookie = one.Cookie
	body := fields{"kind": "image", "input": fields{"prompt": "a boat", "width": 64, "height": 64, "seed": 42}}
	const times = 50
	ids := make([]string, times)
	var wg sync.WaitGroup
	for n := range times {
		wg.Go(func() { ids[n] = []*instance{one, two}[n%2].Submit(t, body).ID })
	}
	wg.Wait()
	if err := s.simulator().WaitCalls(t.Context(), simulator.KindImage, 1); err != nil {
		t.Fatal(err)
	}
	s.simulator().Release()
	var first apptest.Job
	cached := 0
	for _, id := range ids {
		j := one.Wait(t, id)
		if j.Status != "succeeded" || len(j.Result.Media) != 1 || *j.Result.Media[0].Seed != 42 {
			t.Fatalf("job %+v", j)
		}
		if first = j; j.Cached {
			cached++
		}
	}
	if calls := s.simulator().Count(simulator.KindImage, ""); calls != 1 || cached != times-1 {
		t.Fatalf("%d calls and %d copies, want 1 and %d", calls, cached, times-1)
	}
	s.awaitEmptyQueue(t)
	two.awaitRemaining(t, "the copies are not charged", 7)

	expect := func(what string, status, calls int, cached bool, resp apptest.Response) apptest.Job {
		t.Helper()
		var j apptest.Job
		resp.Decode(t, &j)
		if resp.StatusCode != status || j.Cached != cached {
			t.Fatalf("%s: %d, cached %t: %s", what, resp.StatusCode, j.Cached, resp.Data)
		}
		if j = two.Wait(t, j.ID); j.Status != "succeeded" || j.Cached != cached {
			t.Fatalf("%s: %+v", what, j)
		}
		if got := s.simulator().Count(simulator.KindImage, ""); got != calls {
			t.Fatalf("%s: %d calls, want %d", what, got, calls)
		}
		return j
	}
	post := func(body fields, headers ...string) apptest.Response {
		return two.Do(t, http.MethodPost, "/api/jobs", body, headers...)
	}
	image := func(j apptest.Job) []byte {
		resp := one.Do(t, http.MethodGet, j.Result.Media[0].URL, nil)
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("image: %d", resp.StatusCode)
		}
		return resp.Data
	}
	with := func(name string, value any) fields {
		return fields{"kind": body["kind"], "input": body["input"], name: value}
	}
	copied := expect("a later request", http.StatusOK, 1, true, post(with("tags", []string{"later"})))
	keyed := expect("with a key", http.StatusOK, 1, true, post(body, "Idempotency-Key: k"))
	again := post(body, "Idempotency-Key: k")
	if j := expect("with the same key", http.StatusOK, 1, true, again); j.ID != keyed.ID || again.Header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("another job, %v", again.Header)
	}
	if resp := post(with("cache", false), "Idempotency-Key: k"); resp.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("another request with the same key: %d", resp.StatusCode)
	}
	two.awaitRemaining(t, "later copies are not charged", 7)
	for n, own := range []bool{false, true} {
		trial := with("dry_run", true)
		trial["cache"] = !own
		var estimate struct {
			Cached bool
			Units  int
			Usage  struct{ Cost string }
		}
		post(trial).Decode(t, &estimate)
		if estimate.Cached != !own || estimate.Units != n || (estimate.Usage.Cost == "0") != !own {
			t.Errorf("dry run with a result of its own %t: %+v", own, estimate)
		}
	}
	expect("a result of its own", http.StatusAccepted, 2, false, post(with("cache", false)))
	other := start(t, s.api(t, s.address()))
	other.Visit(t)
	if j := other.Wait(t, other.Submit(t, body).ID); j.Cached || s.simulator().Count(simulator.KindImage, "") != 3 {
		t.Errorf("another guest got %+v", j)
	}

	// The copies do not depend on the original.
	data := image(first)
	for _, id := range ids {
		if resp := one.Do(t, http.MethodDelete, "/api/jobs/"+id, nil); resp.StatusCode != http.StatusNoContent {
			t.Fatalf("delete: %d %s", resp.StatusCode, resp.Data)
		}
	}
	for _, j := range []apptest.Job{copied, keyed} {
		if !bytes.Equal(image(j), data) {
			t.Error("the copy is another image")
		}
	}
	expect("after the deletion of the original", http.StatusAccepted, 4, false, post(body))

	// The lines of a batch are requests like others.
	resp := two.Do(t, http.MethodPost, "/api/batches", fields{"jobs": []fields{body, with("cache", false), body}})
	var batch struct {
		ID   string
		Jobs []struct{ ID string }
	}
	resp.Decode(t, &batch)
	resp = two.Do(t, http.MethodGet, "/api/batches/"+batch.ID, nil)
	if resp.Decode(t, &batch); len(batch.Jobs) != 3 {
		t.Fatalf("batch: %d %s", resp.StatusCode, resp.Data)
	}
	for n, line := range batch.Jobs {
		if j := two.Wait(t, line.ID); j.Status != "succeeded" || j.Cached != (n != 1) {
			t.Errorf("line %d became %+v", n, j)
		}
	}
	if calls := s.simulator().Count(simulator.KindImage, ""); calls != 5 {
		t.Errorf("%d calls after the batch", calls)
	}

	// A job that has joined another one is charged if it has to make the call itself.
	two.awaitRemaining(t, "before the last calls", 4)
	if err := s.simulator().Script(simulator.Rule{Kind: simulator.KindImage, Contains: "ship", Hold: true}); err != nil {
		t.Fatal(err)
	}
	body["input"].(fields)["prompt"] = "a ship"
	canceled := one.Submit(t, body).ID
	if err := s.simulator().WaitCalls(t.Context(), simulator.KindImage, 6); err != nil {
		t.Fatal(err)
	}
	joined := two.Submit(t, body).ID
	two.awaitRemaining(t, "only the first is charged", 3)
	if resp := one.Do(t, http.MethodPost, "/api/jobs/"+canceled+"/cancel", nil); resp.StatusCode != http.StatusOK {
		t.Fatalf("cancel: %d %s", resp.StatusCode, resp.Data)
	}
	s.simulator().Release()
	if j := two.Wait(t, joined); j.Status != "succeeded" || j.Cached {
		t.Errorf("the second became %+v", j)
	}
	two.awaitRemaining(t, "both have made a call", 2)
}
