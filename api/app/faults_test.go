package app_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// TestUpstreamFaults runs jobs against each fault of the upstream, once and permanently, and checks how they end.
func TestUpstreamFaults(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "FETCH_RETRY_MAX=3", "IMAGE_TIMEOUT=3s"))
	i.Visit(t)
	for _, tt := range []struct {
		name string
		rule simulator.Rule
		// forever is the error code of a job whose every attempt meets the fault; "" if it waits for its deadline.
		forever string
		// once is the final status of a job whose first attempt meets the fault.
		once string
	}{
		{"server error", simulator.Rule{Status: 500, Body: `{"success":false,"error":{"message":"No active flux servers available","code":"INTERNAL_ERROR"},"status":500}`}, "upstream_unavailable", "succeeded"},
		{"html 502", simulator.Rule{Fault: "html_502"}, "upstream_unavailable", "succeeded"},
		{"text 503", simulator.Rule{Fault: "text_503"}, "upstream_unavailable", "succeeded"},
		{"error image", simulator.Rule{Fault: "error_picture"}, "", "succeeded"},
		{"truncated", simulator.Rule{Fault: "truncated"}, "upstream_invalid_answer", "succeeded"},
		{"empty", simulator.Rule{Fault: "empty"}, "upstream_invalid_answer", "succeeded"},
		{"wrong type", simulator.Rule{Fault: "wrong_type"}, "upstream_invalid_answer", "succeeded"},
		{"moderated", simulator.Rule{Fault: "moderated"}, "content_moderated", "failed"},
		{"bad request", simulator.Rule{Status: 400, Body: `{"success":false,"error":{"message":"Query parameter validation failed","code":"BAD_REQUEST"},"status":400}`}, "upstream_rejected", "failed"},
		{"throttled", simulator.Rule{Fault: "rate_limited"}, "", "succeeded"},
		{"hang", simulator.Rule{Fault: "hang"}, "upstream_timeout", "succeeded"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			once := tt.rule
			once.Kind, once.Contains, once.Times = simulator.KindImage, "once "+tt.name+".", 1
			forever := tt.rule
			forever.Kind, forever.Contains = simulator.KindImage, "always "+tt.name+"."
			if err := i.Simulator().Script(once, forever); err != nil {
				t.Fatal(err)
			}
			input := func(when string) fields {
				return fields{"kind": "image", "input": fields{"prompt": when + " " + tt.name + ".", "width": 64, "height": 64}}
			}
			if v := i.Wait(t, i.Submit(t, input("once")).ID); v.Status != tt.once {
				t.Errorf("once: %s (%v), want %s", v.Status, v.Error, tt.once)
			}
			if tt.forever == "" {
				return
			}
			v := i.Wait(t, i.Submit(t, input("always")).ID)
			if v.Status != "failed" || v.Error.Code != tt.forever {
				t.Errorf("always: %s %+v, want failed with %s", v.Status, v.Error, tt.forever)
			}
			calls := i.Simulator().Count(simulator.KindImage, "always "+tt.name+".")
			want := 3
			if tt.once == "failed" {
				want = 1
			}
			if calls != want {
				t.Errorf("always: %d calls, want %d", calls, want)
			}
		})
	}
}

func TestRetryAfterIsHonored(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "WORKER_SLOTS_IMAGE=1"))
	i.Visit(t)
	rule := simulator.Rule{Kind: simulator.KindImage, Contains: "throttled", Times: 1, Fault: "rate_limited", RetryAfter: 2 * time.Second}
	if err := i.Simulator().Script(rule); err != nil {
		t.Fatal(err)
	}
	throttled := i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "throttled", "width": 64, "height": 64}})
	if err := i.Simulator().WaitFinished(t.Context(), simulator.KindImage, 1); err != nil {
		t.Fatal(err)
	}
	// No job calls the upstream meanwhile; jobs that need another upstream continue.
	second := i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "second", "width": 64, "height": 64}})
	other := i.Wait(t, i.Submit(t, fields{"kind": "prompt", "input": fields{"text": "quick"}}).ID)
	if s := i.Wait(t, second.ID); s.Status != "succeeded" {
		t.Errorf("got %+v", s)
	}
	v := i.Wait(t, throttled.ID)
	if v.Status != "succeeded" || other.Status != "succeeded" {
		t.Fatalf("got %+v and %+v", v, other)
	}
	if other.FinishedAt >= v.FinishedAt {
		t.Error("the other job waited for the throttled one")
	}
	var times []time.Time
	for _, c := range i.Simulator().Calls(simulator.KindImage) {
		times = append(times, c.Started)
	}
	if len(times) != 3 || times[1].Sub(times[0]) < 2*time.Second {
		t.Errorf("calls at %v, want three, the second and third at least 2 s after the first", times)
	}
}

// TestBackoffOccupiesNoSlot submits a job while many others wait for their next attempt.
func TestBackoffOccupiesNoSlot(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "FETCH_RETRY_INITIAL_DELAY_MS=600000", "FETCH_RETRY_MAX_DELAY_MS=600000", "MAX_ACTIVE_JOBS_GUEST=0"))
	i.Visit(t)
	if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindChat, Contains: "doomed", Status: http.StatusInternalServerError}); err != nil {
		t.Fatal(err)
	}
	const jobs = 300
	for n := range jobs {
		i.Submit(t, fields{"kind": "prompt", "input": fields{"text": fmt.Sprintf("doomed %d", n)}})
	}
	for deadline := time.Now().Add(hang); i.Simulator().Count(simulator.KindChat, "doomed") < jobs; {
		if time.Now().After(deadline) {
			t.Fatal("not every job was attempted")
		}
		i.Do(t, http.MethodGet, "/livez", nil)
	}
	if v := i.Wait(t, i.Submit(t, fields{"kind": "prompt", "input": fields{"text": "fresh"}}).ID); v.Status != "succeeded" {
		t.Errorf("got %+v", v)
	}
	if got := i.Simulator().Count(simulator.KindChat, "doomed"); got != jobs {
		t.Errorf("%d calls for the failing jobs, want %d: the new job waited for a retry", got, jobs)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "WORKER_SLOTS_IMAGE=1"))
	i.Visit(t)
	if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindImage, Hold: true}); err != nil {
		t.Fatal(err)
	}
	running := i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "running", "width": 64, "height": 64}})
	queued := i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "queued", "width": 64, "height": 64}})
	if err := i.Simulator().WaitCalls(t.Context(), simulator.KindImage, 1); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ id, want string }{{queued.ID, "before_start"}, {running.ID, "while_running"}} {
		for range 2 {
			resp := i.Do(t, http.MethodPost, "/api/jobs/"+tt.id+"/cancel", nil)
			var v apptest.Job
			resp.Decode(t, &v)
			if resp.StatusCode != http.StatusOK || v.Status != "canceled" || v.Cancel != tt.want {
				t.Errorf("cancel: %d %s", resp.StatusCode, resp.Data)
			}
		}
	}
	// The upstream call is aborted, and the queued job is never started.
	if err := i.Simulator().WaitFinished(t.Context(), simulator.KindImage, 1); err != nil {
		t.Fatal(err)
	}
	if calls := i.Simulator().Calls(simulator.KindImage); len(calls) != 1 {
		t.Errorf("%d calls, want 1", len(calls))
	}
	if resp := i.Do(t, http.MethodDelete, "/api/jobs/"+queued.ID, nil); resp.StatusCode != http.StatusNoContent {
		t.Errorf("delete: %d %s", resp.StatusCode, resp.Data)
	}
	if resp := i.Do(t, http.MethodGet, "/api/jobs/"+queued.ID, nil); resp.StatusCode != http.StatusNotFound {
		t.Errorf("after delete: %d", resp.StatusCode)
	}
	i.Simulator().Clear()
	done := i.Wait(t, i.Submit(t, fields{"kind": "image", "input": fields{"prompt": "done", "width": 64, "height": 64}}).ID)
	if resp := i.Do(t, http.MethodPost, "/api/jobs/"+done.ID+"/cancel", nil); resp.StatusCode != http.StatusConflict {
		t.Errorf("cancel of a finished job: %d %s", resp.StatusCode, resp.Data)
	}
}
