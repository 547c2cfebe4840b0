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

// refusal is what a cancel that comes too late is answered with.
type cancelConflict struct {
	Code string      `json:"code"`
	Job  apptest.Job `json:"job"`
}

// TestCancelInEveryState cancels a job twice in each state that it can be in, and looks at it afterwards.
func TestCancelInEveryState(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		// arrange takes a new job to its state.
		arrange func(t *testing.T, i *instance, id string)
		rule    simulator.Rule
		slots   int
		// cancel is how it is canceled, "" when it is too late; status is then how it ended.
		cancel, status string
		calls          int
	}{
		"queued": {cancel: "before_start"},
		"of a paused kind": {
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
				t.Errorf("the job reads as %s", now.Status)
			}
			if calls := i.Simulator().Calls(simulator.KindImage); len(calls) != tc.calls {
				t.Errorf("%d upstream calls, want %d", len(calls), tc.calls)
			}
		})
	}
}

// called waits until the upstream was called n times.
func (i *instance) awaitCalls(t *testing.T, n int) {
	t.Helper()
	if err := i.Simulator().WaitCalls(t.Context(), simulator.KindImage, n); err != nil {
		t.Fatal(err)
	}
}

// reads waits until a job has a status.
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

// TestCancelAbortsUpstreamCalls cancels jobs whose calls would never end by themselves, and sees each call end.
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
	asked := make(map[string]time.Time)
	for n, id := range ids {
		asked[fmt.Sprintf("boat number %d.", n)] = time.Now()
		if resp := i.Do(t, http.MethodPost, "/api/jobs/"+id+"/cancel", nil); resp.StatusCode != http.StatusOK {
			t.Errorf("cancel: %d %s", resp.StatusCode, resp.Data)
		}
	}
	if err := i.Simulator().WaitFinished(t.Context(), simulator.KindImage, jobs); err != nil {
		t.Fatal(err)
	}
	slowest := time.Duration(0)
	for _, c := range i.Simulator().Calls(simulator.KindImage) {
		slowest = max(slowest, c.Finished.Sub(asked[c.Prompt]))
		if c.Outcome != simulator.OutcomeAborted {
			t.Errorf("the call for %q: %s", c.Prompt, c.Outcome)
		}
	}
	t.Logf("the slowest call was broken off after %s", slowest)
}

// TestCancelRacesCompletion cancels two hundred jobs at random moments of their short lives. Each answer is the truth:
// what it says of the job is said by every later reading, and a canceled job was never a succeeded one.
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
	told, ids := make([]string, jobs), make([]string, jobs)
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	for n := range jobs {
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			ids[n] = i.Submit(t, fields{"kind": "prompt", "input": fields{"text": fmt.Sprint("boat ", n)}}).ID
			<-time.After(time.Duration(rand.IntN(longest)) * time.Millisecond)
			resp := i.Do(t, http.MethodPost, "/api/jobs/"+ids[n]+"/cancel", nil)
			switch resp.StatusCode {
			case http.StatusOK:
				var now apptest.Job
				resp.Decode(t, &now)
				told[n] = now.Status
			case http.StatusConflict:
				var late cancelConflict
				resp.Decode(t, &late)
				told[n] = late.Job.Status
			default:
				t.Errorf("cancel: %d %s", resp.StatusCode, resp.Data)
			}
		})
	}
	wg.Wait()
	counts := map[string]int{}
	for n, id := range ids {
		counts[told[n]]++
		v := i.Wait(t, id)
		if v.Status != told[n] || (v.Status == "canceled" && v.Result != nil) {
			t.Errorf("job %d: told %s, reads as %s with %+v", n, told[n], v.Status, v.Result)
		}
		again := i.Do(t, http.MethodPost, "/api/jobs/"+id+"/cancel", nil)
		if (again.StatusCode == http.StatusOK) != (told[n] == "canceled") {
			t.Errorf("job %d: told %s, canceled again: %d", n, told[n], again.StatusCode)
		}
	}
	if t.Logf("told %v", counts); counts["canceled"] == 0 || counts["succeeded"] == 0 {
		t.Error("there was no race")
	}
}
