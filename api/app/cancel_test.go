package app_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// cancelConflict is the response to a cancel of a finished job.
type cancelConflict struct {
	Code string      `json:"code"`
	Job  apptest.Job `json:"job"`
}

// TestCancelInEveryState cancels a job twice in every state and checks the job afterwards.
func TestCancelInEveryState(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		// arrange brings a new job into the state.
		arrange func(t *testing.T, i *instance, id string)
		rule    simulator.Rule
		slots   int
		// cancel is the expected value of the field; if it is "", the job has finished with status before.
		cancel, status string
		calls          int
	}{
		"queued": {cancel: "before_start"},
		"paused kind": {
			arrange: func(t *testing.T, i *instance, _ string) {
				for _, lane := range job.Lanes() {
					name := broker.ConsumerName(job.KindImage, lane)
					if _, err := i.Broker().JetStream().PauseConsumer(t.Context(), broker.StreamJobs, name, time.Now().Add(time.Hour)); err != nil {
						t.Fatal(err)
					}
				}
			},
			cancel: "before_start",
		},
		"running": {
			slots: 1, rule: simulator.Rule{Hold: true}, cancel: "while_running", calls: 1,
			arrange: func(t *testing.T, i *instance, _ string) { i.awaitCalls(t, 1) },
		},
		"retrying": {
			slots: 1, rule: simulator.Rule{Status: http.StatusInternalServerError}, cancel: "while_running", calls: 1,
			arrange: func(t *testing.T, i *instance, id string) { i.awaitStatus(t, id, "retrying") },
		},
		"throttled": {
			slots: 1, rule: simulator.Rule{Fault: "rate_limited", RetryAfter: time.Hour}, cancel: "while_running", calls: 1,
			arrange: func(t *testing.T, i *instance, id string) { i.awaitStatus(t, id, "retrying") },
		},
		"succeeded": {
			slots: 1, status: "succeeded", calls: 1,
			arrange: func(t *testing.T, i *instance, id string) { i.Wait(t, id) },
		},
		"failed": {
			slots: 1, rule: simulator.Rule{Fault: "moderated"}, status: "failed", calls: 1,
			arrange: func(t *testing.T, i *instance, id string) { i.Wait(t, id) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := start(t, apptest.Config(t, t.TempDir(), fmt.Sprint("WORKER_SLOTS_IMAGE=", tc.slots), "FETCH_RETRY_INITIAL_DELAY_MS=60000", "FETCH_RETRY_MAX_DELAY_MS=60000"))
			i.Visit(t)
			tc.rule.Kind = simulator.KindImage
			if err := i.Simulator().Script(tc.rule); err != nil {
				t.Fatal(err)
			}
			v := i.Submit(t, imageBody("a boat"))
			if tc.arrange != nil {
				tc.arrange(t, i, v.ID)
			}
			for range 2 {
				resp := i.Do(t, http.MethodPost, v.Path("cancel"), nil)
				if tc.cancel == "" {
					var late cancelConflict
					resp.Decode(t, &late)
					if resp.StatusCode != http.StatusConflict || late.Code != "already_finished" || late.Job.ID != v.ID || late.Job.Status != tc.status {
						t.Errorf("cancel: %d %s", resp.StatusCode, resp.Data)
					}
					continue
				}
				var now apptest.Job
				resp.Decode(t, &now)
				if resp.StatusCode != http.StatusOK || now.Status != "canceled" || now.Cancel != tc.cancel {
					t.Errorf("cancel: %d %s", resp.StatusCode, resp.Data)
				}
			}
			want := tc.status
			if tc.cancel != "" {
				want = "canceled"
			}
			if err := i.Simulator().WaitFinished(t.Context(), simulator.KindImage, tc.calls); err != nil {
				t.Fatal(err)
			}
			if now := i.Wait(t, v.ID); now.Status != want {
				t.Errorf("the job is %s, want %s", now.Status, want)
			}
			if calls := i.Simulator().Calls(simulator.KindImage); len(calls) != tc.calls {
				t.Errorf("%d upstream calls, want %d", len(calls), tc.calls)
			}
		})
	}
}

// awaitCalls waits until the upstream has been called n times.
func (i *instance) awaitCalls(t *testing.T, n int) {
	t.Helper()
	if err := i.Simulator().WaitCalls(t.Context(), simulator.KindImage, n); err != nil {
		t.Fatal(err)
	}
}

// awaitStatus waits until a job has the status.
func (i *instance) awaitStatus(t *testing.T, id, status string) {
	t.Helper()
	for end := time.Now().Add(hang); ; {
		var v apptest.Job
		if i.Do(t, http.MethodGet, "/api/jobs/"+id+"?wait=1", nil).Decode(t, &v); v.Status == status {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the job is %s, never %s", v.Status, status)
		}
	}
}

// TestCancelAbortsUpstreamCalls cancels jobs whose upstream calls hang, and checks that each call ends.
func TestCancelAbortsUpstreamCalls(t *testing.T) {
	t.Parallel()
	const jobs = 40
	i := start(t, apptest.Config(t, t.TempDir(), fmt.Sprint("WORKER_SLOTS_IMAGE=", jobs)))
	if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindImage, Hold: true}); err != nil {
		t.Fatal(err)
	}
	ids := make([]string, jobs)
	for n := range jobs {
		ids[n] = i.Submit(t, imageBody(fmt.Sprintf("boat number %d.", n))).ID
	}
	i.awaitCalls(t, jobs)
	canceled := make(map[string]time.Time)
	for n, id := range ids {
		canceled[fmt.Sprintf("boat number %d.", n)] = time.Now()
		if resp := i.Do(t, http.MethodPost, "/api/jobs/"+id+"/cancel", nil); resp.StatusCode != http.StatusOK {
			t.Errorf("cancel: %d %s", resp.StatusCode, resp.Data)
		}
	}
	if err := i.Simulator().WaitFinished(t.Context(), simulator.KindImage, jobs); err != nil {
		t.Fatal(err)
	}
	slowest := time.Duration(0)
	for _, c := range i.Simulator().Calls(simulator.KindImage) {
		slowest = max(slowest, c.Finished.Sub(canceled[c.Prompt]))
		if c.Outcome != simulator.OutcomeAborted {
			t.Errorf("the call for %q: %s", c.Prompt, c.Outcome)
		}
	}
	t.Logf("the slowest call was aborted after %s", slowest)
}

// TestCancelRacesCompletion cancels two hundred short jobs at random moments. Every later read must return the status that
// the cancel returned, and a canceled job must have no result.
func TestCancelRacesCompletion(t *testing.T) {
	t.Parallel()
	i := start(t, apptest.Config(t, t.TempDir(), "WORKER_SLOTS_TEXT=16"))
	const jobs, longest = 200, 60
	if err := i.Simulator().Script(
		simulator.Rule{Kind: simulator.KindChat, Probability: 0.2, Times: jobs / 4, Status: http.StatusInternalServerError},
		simulator.Rule{Kind: simulator.KindChat, Delay: longest / 2 * time.Millisecond},
	); err != nil {
		t.Fatal(err)
	}
	statuses, ids := make([]string, jobs), make([]string, jobs)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for n := range jobs {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			ids[n] = i.Submit(t, fields{"kind": "prompt", "input": fields{"text": fmt.Sprint("boat ", n)}}).ID
			<-time.After(time.Duration(rand.IntN(longest)) * time.Millisecond)
			resp := i.Do(t, http.MethodPost, "/api/jobs/"+ids[n]+"/cancel", nil)
			switch resp.StatusCode {
			case http.StatusOK:
				var now apptest.Job
				resp.Decode(t, &now)
				statuses[n] = now.Status
			case http.StatusConflict:
				var late cancelConflict
				resp.Decode(t, &late)
				statuses[n] = late.Job.Status
			default:
				t.Errorf("cancel: %d %s", resp.StatusCode, resp.Data)
			}
		})
	}
	wg.Wait()
	counts := map[string]int{}
	for n, id := range ids {
		counts[statuses[n]]++
		v := i.Wait(t, id)
		if v.Status != statuses[n] || (v.Status == "canceled" && v.Result != nil) {
			t.Errorf("job %d: the cancel returned %s, the job is %s with %+v", n, statuses[n], v.Status, v.Result)
		}
		again := i.Do(t, http.MethodPost, "/api/jobs/"+id+"/cancel", nil)
		if (again.StatusCode == http.StatusOK) != (statuses[n] == "canceled") {
			t.Errorf("job %d: the first cancel returned %s, the second status %d", n, statuses[n], again.StatusCode)
		}
	}
	if t.Logf("cancels returned %v", counts); counts["canceled"] == 0 || counts["succeeded"] == 0 {
		t.Error("there was no race")
	}
}
