package app_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/ledger"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// TestFloodOfGuests has five hundred jobs of guests wait. A member's job that comes now starts before the slots have
// begun another round: no more upstream calls start before its own than there are slots.
func TestFloodOfGuests(t *testing.T) {
	t.Parallel()
	const slots, flood, rounds = 4, 500, 10
	i := start(t, config(t, t.TempDir(), fmt.Sprint("WORKER_SLOTS_IMAGE=", slots)))
	if err := i.Simulator().Script(simulator.Rule{Kind: simulator.KindImage, Delay: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	q, err := queue.New(t.Context(), i.Broker())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for n := range flood {
		wg.Go(func() {
			if _, err := q.Push(t.Context(), pictureOf(t, job.LaneGuest, job.OwnerAnonymous, fmt.Sprint("guest ", n)), false); err != nil {
				t.Errorf("push: %v", err)
			}
		})
	}
	wg.Wait()
	for n := range rounds {
		i.called(t, slots+1+n)
		member := pictureOf(t, job.LaneMember, "u1", fmt.Sprintf("member %d.", n))
		if _, err := q.Push(t.Context(), member, false); err != nil {
			t.Fatal(err)
		}
		pushed := time.Now()
		i.ended(t, q, member)
		before := 0
		for _, c := range i.Simulator().Calls(simulator.KindImage) {
			if c.Prompt == fmt.Sprintf("member %d.", n) {
				if t.Logf("round %d: %d calls of guests came before", n, before); before > slots {
					t.Errorf("round %d: %d calls of guests came before the member's", n, before)
				}
				break
			}
			if c.Started.After(pushed) {
				before++
			}
		}
	}
	if got := i.Simulator().Count(simulator.KindImage, "guest"); got > flood-rounds {
		t.Errorf("only %d guests were left, so nothing was tried", flood-got)
	}
}

// ended waits until a job has left the queue.
func (i *instance) ended(t *testing.T, q *queue.Queue, spec *job.Spec) {
	t.Helper()
	for end := time.Now().Add(hang); ; {
		if _, err := q.FindLeader(t.Context(), spec.Owner, spec.ID); err != nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal("the member's job never ended")
		}
		i.do(t, http.MethodGet, "/livez", nil)
	}
}

// pictureOf returns a job for a picture.
func pictureOf(t *testing.T, lane job.Lane, owner, prompt string) *job.Spec {
	t.Helper()
	id, created, err := ledger.NewID()
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
