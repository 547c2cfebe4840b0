package jobs_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// keyedID returns an id like that of an idempotency key: a UUID of version 8, which contains no time.
func keyedID() string {
	u := uuid.New()
	u[6] = u[6]&0x0f | 0x80
	return u.String()
}

func keyed(t *testing.T, id, fingerprint string) *job.Spec {
	t.Helper()
	_, created := newID(t)
	spec := specOf("u1", id, created)
	spec.Fingerprint = fingerprint
	return spec
}

func TestSubmitIsVisibleAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	spec := r.submit(t)
	if snap := r.read(t, spec); snap.Status() != job.StatusQueued || snap.Sequence == 0 || snap.Spec.ID != spec.ID {
		t.Errorf("%+v", snap)
	}
}

func TestSubmitToAFullQueue(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *broker.Config) { c.MaxQueuedJobs = 1 })
	r.submit(t)
	if snap, _, err := r.Enqueue(t.Context(), fresh(t, "u1"), false); !errors.Is(err, queue.ErrFull) {
		t.Errorf("%+v, %v", snap, err)
	}
}

// TestKeyedReplay repeats a keyed submission in every state of the first job.
func TestKeyedReplay(t *testing.T) {
	t.Parallel()
	r := start(t)
	for status, arrange := range map[job.Status]func(*job.Spec){
		job.StatusQueued:    func(*job.Spec) {},
		job.StatusRunning:   func(s *job.Spec) { r.progress(t, s, job.StatusRunning) },
		job.StatusRetrying:  func(s *job.Spec) { r.progress(t, s, job.StatusRetrying) },
		job.StatusSucceeded: func(s *job.Spec) { r.finish(t, s) },
		job.StatusFailed:    func(s *job.Spec) { r.record(t, s, job.StatusFailed); r.unqueue(t, s) },
		job.StatusCanceled: func(s *job.Spec) {
			if _, err := r.Cancel(t.Context(), []string{"u1"}, s.ID); err != nil {
				t.Fatal(err)
			}
		},
	} {
		id := keyedID()
		first := keyed(t, id, "f1")
		if snap, replayed, err := r.Enqueue(t.Context(), first, true); err != nil || replayed || snap.Sequence == 0 {
			t.Fatalf("%s: first submission: %+v, replayed %t, %v", status, snap, replayed, err)
		}
		arrange(first)
		wasQueued := r.queued(t, first)
		for range 2 {
			snap, replayed, err := r.Enqueue(t.Context(), keyed(t, id, "f1"), true)
			if err != nil || !replayed || snap.Status() != status || !snap.Spec.CreatedAt.Equal(first.CreatedAt.Time) {
				t.Errorf("%s: replay %+v, replayed %t, %v", status, snap, replayed, err)
			}
			snap, replayed, err = r.Enqueue(t.Context(), keyed(t, id, "other"), true)
			if !errors.Is(err, jobs.ErrKeyReused) || snap != nil || replayed {
				t.Errorf("%s: another request: %+v, replayed %t, %v", status, snap, replayed, err)
			}
			other := keyed(t, id, "other")
			other.Kind, other.Input = job.KindPrompt, &job.TextInput{Text: "t"}
			if _, _, err = r.Enqueue(t.Context(), other, true); !errors.Is(err, jobs.ErrKeyReused) {
				t.Errorf("%s: another kind: %v", status, err)
			}
		}
		// A replay adds no message and does not change an ended job.
		if r.queued(t, first) != wasQueued {
			t.Errorf("%s: queued %t after the replay, %t before", status, r.queued(t, first), wasQueued)
		}
		if got := r.read(t, first).Status(); got != status {
			t.Errorf("%s became %s", status, got)
		}
	}
}

// TestKeyedSubmitWithAQuickWorker ends the job before its submission has returned: that is no replay, and the message is kept for
// the worker, which has to take the steps after the record.
func TestKeyedSubmitWithAQuickWorker(t *testing.T) {
	t.Parallel()
	for name, its := range map[string]bool{"its own end": true, "the end of an earlier one": false} {
		r := start(t)
		first := keyed(t, keyedID(), "f1")
		first.RequestID = "request-1"
		r.SetAfter(func(step jobs.Step) error {
			if step != jobs.StepPush {
				return nil
			}
			ended := *first
			if !its {
				ended.RequestID = "request-0"
			}
			r.record(t, &ended, job.StatusFailed)
			return nil
		})
		snap, replayed, err := r.Enqueue(t.Context(), first, true)
		if err != nil || snap.Status() != job.StatusFailed || replayed == its || r.queued(t, first) != its {
			t.Errorf("%s: %+v, replayed %t, in the queue %t, %v", name, snap, replayed, r.queued(t, first), err)
		}
	}
}

func TestKeyOfAnotherOwner(t *testing.T) {
	t.Parallel()
	r := start(t)
	id := keyedID()
	for _, owner := range []string{"u1", "u2"} {
		spec := keyed(t, id, owner)
		spec.Owner = owner
		if _, replayed, err := r.Enqueue(t.Context(), spec, true); err != nil || replayed {
			t.Errorf("%s: replayed %t, %v", owner, replayed, err)
		}
	}
}

func TestConcurrentKeyedSubmits(t *testing.T) {
	t.Parallel()
	r := start(t)
	id := keyedID()
	var first atomic.Int32
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			_, replayed, err := r.Enqueue(t.Context(), keyed(t, id, "f1"), true)
			if err != nil {
				t.Errorf("%v", err)
			}
			if !replayed {
				first.Add(1)
			}
		})
	}
	wg.Wait()
	if first.Load() != 1 {
		t.Errorf("%d submissions were not replayed", first.Load())
	}
	if ids, err := r.queue.OwnerIDs(t.Context(), "u1"); err != nil || len(ids) != 1 {
		t.Errorf("in the queue: %v, %v", ids, err)
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id, created := newID(t)
		u, err := uuid.Parse(id)
		if err != nil || u.Version() != 7 || !job.ValidToken(id) || seen[id] {
			t.Fatalf("id %q, seen %t, %v", id, seen[id], err)
		}
		seen[id] = true
		seconds, nanoseconds := u.Time().UnixTime()
		if got := created.UnixMilli(); got != seconds*1000+nanoseconds/1_000_000 {
			t.Errorf("%s was created at %s", id, created)
		}
		if !job.At(created).Equal(created) {
			t.Errorf("%s is more precise than the stored format", created)
		}
	}
}
