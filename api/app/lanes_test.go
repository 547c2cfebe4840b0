package app_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/jobs/jobstest"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// TestMemberBeforeManyGuests queues five hundred jobs of guests and then a job of a member. The job of the member must start
// at the latest when every slot has finished its current job. Calls end only when their job is canceled, so the order of
// starts does not depend on timing.
func TestMemberBeforeManyGuests(t *testing.T) {
	t.Parallel()
	const slots, flood, rounds = 4, 500, 10
	i := start(t, apptest.Config(t, t.TempDir(), fmt.Sprint("WORKER_SLOTS_IMAGE=", slots), "WORKER_SOFT_STOP=100ms"))
	if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindImage, Fault: "hang"}); err != nil {
		t.Fatal(err)
	}
	r := jobstest.On(t, i.Broker())
	byPrompt := make(map[string]*job.Spec)
	push := func(lane job.Lane, owner, prompt string) {
		byPrompt[prompt] = imageSpec(t, lane, owner, prompt)
		if _, err := r.Queue.Push(t.Context(), byPrompt[prompt], false); err != nil {
			t.Fatal(err)
		}
	}
	for n := range flood {
		push(job.LaneGuest, job.OwnerAnonymous, fmt.Sprintf("guest %d.", n))
	}
	for n := range rounds {
		i.awaitCalls(t, slots*(n+1))
		running := i.Simulator().Calls(simulator.KindImage)[slots*n:]
		prompt := fmt.Sprintf("member %d.", n)
		push(job.LaneMember, "u1", prompt)
		i.awaitMemberJob(t, r.Queue)
		for _, c := range running {
			spec := byPrompt[c.Prompt]
			if _, err := r.Jobs.Cancel(t.Context(), []string{spec.Owner}, spec.ID); err != nil {
				t.Fatal(err)
			}
		}
		i.awaitCalls(t, slots*(n+2))
		next := i.Simulator().Calls(simulator.KindImage)[slots*(n+1):]
		before := slices.IndexFunc(next, func(c simulator.Call) bool { return c.Prompt == prompt })
		if t.Logf("round %d: %d calls before the member's", n, before); len(next) != slots || before < 0 {
			t.Fatalf("round %d: the member is not among the next %d", n, len(next))
		}
	}
}

// awaitMemberJob waits until the consumer counts the job of the member, which happens shortly after its acknowledgment.
func (i *instance) awaitMemberJob(t *testing.T, q *queue.Queue) {
	t.Helper()
	for end := time.Now().Add(hang); ; {
		waiting, _, err := q.Depth(t.Context(), job.KindImage, job.LaneMember)
		if err != nil {
			t.Fatal(err)
		}
		if waiting == 1 {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the job of the member was never counted")
		}
		i.Do(t, http.MethodGet, "/livez", nil)
	}
}

// imageSpec returns the spec of an image job.
func imageSpec(t *testing.T, lane job.Lane, owner, prompt string) *job.Spec {
	t.Helper()
	id, created, err := jobs.NewID()
	if err != nil {
		t.Error(err)
	}
	side, seed := 64, int64(1)
	return &job.Spec{
		ID: id, Kind: job.KindImage, Lane: lane, Owner: owner, CreatedAt: job.At(created), Deadline: job.At(created.Add(time.Hour)),
		Input:       &job.ImageInput{Prompt: prompt, Width: &side, Height: &side, Seed: &seed},
		MaxAttempts: 8, Fingerprint: "f",
	}
}
