package jobs_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// deadLettered returns the dead letter of a failed job of u1.
func (r *rig) deadLettered(t testing.TB) *store.DeadLetter {
	t.Helper()
	spec := fresh(t, "u1")
	record := r.record(t, spec, job.StatusFailed)
	if err := r.FollowUp(t.Context(), record, "response of the upstream"); err != nil {
		t.Fatal(err)
	}
	letter, err := r.store.DeadLetter(t.Context(), spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	return letter
}

// again returns the spec of every replay of a dead letter.
func again(letter *store.DeadLetter) *job.Spec {
	spec := letter.Dead.Spec.Again("again-"+letter.ID, time.Now())
	spec.Fingerprint = "replay"
	return spec
}

func (r *rig) deadLetters(t testing.TB) int {
	t.Helper()
	n, err := r.store.DeadLetterCount(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (r *rig) queuedJobs(t testing.TB) int {
	t.Helper()
	ids, err := r.queue.OwnerIDs(t.Context(), "u1")
	if err != nil {
		t.Fatal(err)
	}
	return len(ids)
}

func TestReplay(t *testing.T) {
	t.Parallel()
	r := start(t)
	letter := r.deadLettered(t)
	snap, replayed, err := r.Replay(t.Context(), letter, again(letter))
	if err != nil || replayed || snap.Spec.RetriedFrom != letter.ID || snap.Status() != job.StatusQueued {
		t.Fatalf("%+v, %t, %v", snap, replayed, err)
	}
	if r.deadLetters(t) != 0 || r.queuedJobs(t) != 1 {
		t.Errorf("%d dead letters, %d jobs", r.deadLetters(t), r.queuedJobs(t))
	}
	// The old record is kept.
	if old := r.read(t, letter.Dead.Spec); old.Status() != job.StatusFailed {
		t.Errorf("the old job is %s", old.Status())
	}
}

// TestReplayInterrupted repeats a replay that was interrupted between the publish and the removal of the dead letter, with the
// new job in every state.
func TestReplayInterrupted(t *testing.T) {
	t.Parallel()
	for name, then := range map[string]func(*testing.T, *rig, *job.Spec){
		"queued":   func(*testing.T, *rig, *job.Spec) {},
		"running":  func(t *testing.T, r *rig, s *job.Spec) { r.progress(t, s, job.StatusRunning) },
		"settling": func(t *testing.T, r *rig, s *job.Spec) { r.record(t, s, job.StatusSucceeded) },
		"done":     func(t *testing.T, r *rig, s *job.Spec) { r.finish(t, s) },
		"failed again": func(t *testing.T, r *rig, s *job.Spec) {
			record := r.record(t, s, job.StatusFailed)
			r.unqueue(t, s)
			if err := r.FollowUp(t.Context(), record, "once more"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			letter := r.deadLettered(t)
			first := again(letter)
			if _, _, err := r.Enqueue(t.Context(), first, true); err != nil {
				t.Fatal(err)
			}
			then(t, r, first)
			before := r.queuedJobs(t)
			snap, replayed, err := r.Replay(t.Context(), letter, again(letter))
			if err != nil || !replayed || !snap.Spec.CreatedAt.Equal(first.CreatedAt.Time) {
				t.Fatalf("%+v, %t, %v", snap, replayed, err)
			}
			if r.queuedJobs(t) != before {
				t.Errorf("%d jobs queued, want %d", r.queuedJobs(t), before)
			}
			if _, err := r.store.DeadLetter(t.Context(), letter.ID); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("dead letter: %v", err)
			}
		})
	}
}

// TestReplayOfARestoredDeadLetter repeats the settlement of the old job after its dead letter was removed.
func TestReplayOfARestoredDeadLetter(t *testing.T) {
	t.Parallel()
	r := start(t)
	letter := r.deadLettered(t)
	if _, _, err := r.Replay(t.Context(), letter, again(letter)); err != nil {
		t.Fatal(err)
	}
	record, err := r.store.RecordLeader(t.Context(), "u1", letter.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.FollowUp(t.Context(), record, ""); err != nil {
		t.Fatal(err)
	}
	back, err := r.store.DeadLetter(t.Context(), letter.ID)
	if err != nil {
		t.Fatal(err)
	}
	if !back.FailedAt().Equal(letter.FailedAt()) {
		t.Errorf("failed at %s, before %s: its replay would be another job", back.FailedAt(), letter.FailedAt())
	}
	if _, replayed, err := r.Replay(t.Context(), back, again(back)); err != nil || !replayed || r.queuedJobs(t) != 1 || r.deadLetters(t) != 0 {
		t.Errorf("%t, %v; %d jobs, %d dead letters", replayed, err, r.queuedJobs(t), r.deadLetters(t))
	}
}

func TestConcurrentReplays(t *testing.T) {
	t.Parallel()
	r := start(t)
	letter := r.deadLettered(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if snap, _, err := r.Replay(t.Context(), letter, again(letter)); err != nil || snap.Spec.ID != "again-"+letter.ID {
				t.Errorf("%+v, %v", snap, err)
			}
		})
	}
	wg.Wait()
	if r.queuedJobs(t) != 1 || r.deadLetters(t) != 0 {
		t.Errorf("%d jobs, %d dead letters", r.queuedJobs(t), r.deadLetters(t))
	}
}

func TestReplayIsRefused(t *testing.T) {
	t.Parallel()
	r := start(t)
	// With a full queue, with a NATS that does not answer, and if they cannot be replayed, dead letters are kept.
	letter := r.deadLettered(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := r.Replay(ctx, letter, again(letter)); err == nil {
		t.Error("replayed without NATS")
	}
	lost := r.deadLettered(t)
	lost.Dead.Error = job.NewError(job.CodeInvalidJob, 0)
	if err := r.store.PutDeadLetter(t.Context(), lost.Dead); err != nil {
		t.Fatal(err)
	}
	if _, err := r.broker.JetStream().Publish(t.Context(), broker.DeadSubject(job.KindImage, "u1", "newer"), []byte(`{"v":3}`)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{lost.ID, "newer"} {
		letter, err := r.store.DeadLetter(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := r.Replay(t.Context(), letter, fresh(t, "u1")); !errors.Is(err, jobs.ErrNotRetryable) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if r.deadLetters(t) != 3 || r.queuedJobs(t) != 0 {
		t.Errorf("%d dead letters, %d jobs", r.deadLetters(t), r.queuedJobs(t))
	}
}
