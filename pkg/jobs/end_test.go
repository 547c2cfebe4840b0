package jobs_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func TestCancelInEachState(t *testing.T) {
	t.Parallel()
	r := start(t)
	notified := r.notices(t)
	owners := []string{"u2", "u1"}
	for name, c := range map[string]struct {
		arrange func(*job.Spec)
		kind    job.CancelKind
	}{
		"queued":   {func(*job.Spec) {}, job.CancelBeforeStart},
		"running":  {func(s *job.Spec) { r.progress(t, s, job.StatusRunning) }, job.CancelWhileRunning},
		"retrying": {func(s *job.Spec) { r.progress(t, s, job.StatusRetrying) }, job.CancelWhileRunning},
	} {
		spec := r.submit(t)
		c.arrange(spec)
		if _, err := r.Cancel(t.Context(), []string{"u2"}, spec.ID); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("%s, by another owner: %v", name, err)
		}
		snap, err := r.Cancel(t.Context(), owners, spec.ID)
		if err != nil || snap.Status() != job.StatusCanceled || snap.Record.Cancel != c.kind {
			t.Fatalf("%s: %+v, %v", name, snap, err)
		}
		select {
		case id := <-notified:
			if id != spec.ID {
				t.Errorf("%s: the worker is notified of %s", name, id)
			}
		case <-time.After(hang):
			t.Errorf("%s: the worker was not notified", name)
		}
		if r.queued(t, spec) {
			t.Errorf("%s: still in the queue", name)
		}
		again, err := r.Cancel(t.Context(), owners, spec.ID)
		if err != nil || !again.Record.FinishedAt.Equal(snap.Record.FinishedAt.Time) || again.Record.Cancel != c.kind {
			t.Errorf("%s, again: %+v, %v", name, again, err)
		}
		if got := r.read(t, spec); got.Status() != job.StatusCanceled {
			t.Errorf("%s: reads as %s", name, got.Status())
		}
	}
	if n, err := r.store.DeadLetterCount(t.Context()); err != nil || n != 0 {
		t.Errorf("%d dead letters of canceled jobs, %v", n, err)
	}
}

func TestCancelTooLate(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, status := range []job.Status{job.StatusSucceeded, job.StatusFailed} {
		spec := r.submit(t)
		r.record(t, spec, status)
		snap, err := r.Cancel(t.Context(), []string{"u1"}, spec.ID)
		if !errors.Is(err, jobs.ErrFinished) || snap.Status() != status {
			t.Errorf("%s: %+v, %v", status, snap, err)
		}
		// The worker finishes the settlement.
		if !r.queued(t, spec) {
			t.Errorf("%s: removed from the queue", status)
		}
	}
	spec := fresh(t, "u1")
	spec.Deadline = job.At(time.Now().Add(-time.Second))
	r.submitSpec(t, spec)
	snap, err := r.Cancel(t.Context(), []string{"u1"}, spec.ID)
	if !errors.Is(err, jobs.ErrFinished) || snap.Status() != job.StatusFailed || snap.Record.Error.Code != job.CodeDeadline {
		t.Errorf("past its deadline: %+v, %v", snap, err)
	}
}

func TestCancelUnstarted(t *testing.T) {
	t.Parallel()
	r := start(t)
	waiting, running, done := r.submit(t), r.submit(t), r.submit(t)
	r.progress(t, running, job.StatusRunning)
	r.finish(t, done)
	for spec, want := range map[*job.Spec]struct {
		canceled bool
		status   job.Status
	}{
		waiting: {true, job.StatusCanceled}, running: {false, job.StatusRunning}, done: {false, job.StatusSucceeded},
	} {
		canceled, err := r.CancelUnstarted(t.Context(), "u1", spec.ID)
		if err != nil || canceled != want.canceled || r.read(t, spec).Status() != want.status {
			t.Errorf("%s: canceled %t, now %s, %v", want.status, canceled, r.read(t, spec).Status(), err)
		}
	}
	if canceled, err := r.CancelUnstarted(t.Context(), "u1", "missing"); canceled || !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("missing: %t, %v", canceled, err)
	}
}

// TestCancelRacesSettlement runs a cancel and a worker's settlement concurrently: exactly one of them succeeds, there is one
// record, and nothing is left in the queue.
func TestCancelRacesSettlement(t *testing.T) {
	t.Parallel()
	r := start(t)
	pull := r.puller(t)
	var canceled, finished int
	for round := range 150 {
		spec := r.submit(t)
		d := pull()
		if d == nil || d.ID != spec.ID {
			t.Fatalf("round %d: pulled %+v", round, d)
		}
		var wg sync.WaitGroup
		var snap *job.Snapshot
		var cancelErr error
		var won bool
		wg.Go(func() { snap, cancelErr = r.Cancel(t.Context(), []string{"u1"}, spec.ID) })
		wg.Go(func() {
			_, w, err := r.Settle(t.Context(), jobs.Settlement{Remove: d.Ack, Record: &job.Record{
				Status: job.StatusFailed, Spec: d.Spec, FinishedAt: job.At(time.Now()), Error: job.NewError(job.CodeRejected, 400),
			}})
			if err != nil {
				t.Errorf("round %d: settle: %v", round, err)
			}
			won = w
		})
		wg.Wait()
		truth, err := r.store.RecordLeader(t.Context(), "u1", spec.ID)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		switch {
		case cancelErr == nil:
			canceled++
			if won || truth.Status != job.StatusCanceled || snap.Status() != job.StatusCanceled {
				t.Errorf("round %d: canceled, but the record says %s and the worker won: %t", round, truth.Status, won)
			}
		case errors.Is(cancelErr, jobs.ErrFinished):
			finished++
			if !won || truth.Status != job.StatusFailed || snap.Status() != job.StatusFailed {
				t.Errorf("round %d: too late, but the record says %s and the worker won: %t", round, truth.Status, won)
			}
		default:
			t.Errorf("round %d: cancel: %v", round, cancelErr)
		}
		if r.queued(t, spec) {
			t.Errorf("round %d: still in the queue", round)
		}
	}
	t.Logf("%d canceled, %d finished first", canceled, finished)
	if n, err := r.store.DeadLetterCount(t.Context()); err != nil || n != finished {
		t.Errorf("%d dead letters for %d failed jobs, %v", n, finished, err)
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	r := start(t)
	owners := []string{"u1"}
	unfinished := map[string]func(*job.Spec){
		"queued":      func(*job.Spec) {},
		"running":     func(s *job.Spec) { r.progress(t, s, job.StatusRunning) },
		"not settled": func(s *job.Spec) { r.record(t, s, job.StatusSucceeded) },
	}
	for name, arrange := range unfinished {
		spec := r.submit(t)
		arrange(spec)
		if err := r.Delete(t.Context(), owners, spec.ID); !errors.Is(err, jobs.ErrNotFinished) {
			t.Errorf("%s: %v", name, err)
		}
		r.read(t, spec)
	}
	spec := r.submit(t)
	r.finish(t, spec)
	if _, err := r.store.PutMedia(t.Context(), "u1", spec.ID, job.Media{}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), []string{"u2"}, spec.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("by another owner: %v", err)
	}
	if err := r.Delete(t.Context(), owners, spec.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.store.MediaInfo(t.Context(), "u1", spec.ID, 0); err == nil {
		t.Error("the media are still there")
	}
	if _, err := r.Read(t.Context(), owners, spec.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("read: %v", err)
	}
	if err := r.Delete(t.Context(), owners, spec.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("again: %v", err)
	}
}

// TestDeletedJobStaysDeleted has a worker end a job after it was deleted: the worker missed the notice that the job was canceled,
// or seemed dead, so that another worker ended the job.
func TestDeletedJobStaysDeleted(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*rig, *job.Spec) error{
		"canceled": func(r *rig, spec *job.Spec) error {
			_, err := r.Cancel(t.Context(), []string{"u1"}, spec.ID)
			return err
		},
		"ended by another worker": func(r *rig, spec *job.Spec) error {
			r.finish(t, spec)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deletedStaysDeleted(t, end)
		})
	}
}

func deletedStaysDeleted(t *testing.T, end func(*rig, *job.Spec) error) {
	t.Helper()
	r := start(t)
	owners := []string{"u1"}
	spec := r.submit(t)
	r.progress(t, spec, job.StatusRunning)
	if err := end(r, spec); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), owners, spec.ID); err != nil {
		t.Fatal(err)
	}
	late := &job.Record{Status: job.StatusSucceeded, Spec: spec, FinishedAt: job.At(time.Now())}
	products := []store.Product{{Media: job.Media{ContentType: "image/jpeg"}, Data: []byte("late")}}
	if _, _, err := r.Settle(t.Context(), jobs.Settlement{Record: late, Products: products}); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("the late end: %v, want ErrNotFound", err)
	}
	if _, err := r.Read(t.Context(), owners, spec.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("read: %v", err)
	}
	if _, err := r.store.MediaInfo(t.Context(), "u1", spec.ID, 0); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the late media: %v", err)
	}
	page, err := r.List(t.Context(), []string{"u1"}, jobs.Filter{Limit: 10})
	if err != nil || len(page.Jobs) != 0 {
		t.Errorf("list: %+v, %v", page, err)
	}
	// A keyed submission has the same id, and its end must not be refused.
	if _, _, err := r.Enqueue(t.Context(), spec, true); err != nil {
		t.Fatal(err)
	}
	if _, won, err := r.store.PutRecord(t.Context(), late); err != nil || !won {
		t.Errorf("the end of the new job: %t, %v", won, err)
	}
}

// TestExpiredSetKeepsItsImages ends an expired set of which one image is stored.
func TestExpiredSetKeepsItsImages(t *testing.T) {
	t.Parallel()
	r := start(t)
	id, created := newID(t)
	three := 3
	spec := specOf("u1", id, created)
	spec.Kind, spec.Input = job.KindImage, &job.ImageInput{Prompt: "p", N: &three}
	spec.Deadline = job.At(time.Now().Add(-time.Second))
	r.submitSpec(t, spec)
	if _, err := r.store.PutMedia(t.Context(), "u1", id, job.Media{Index: 1, ContentType: "image/jpeg"}, []byte("x")); err != nil {
		t.Fatal(err)
	}
	snap, err := r.Read(t.Context(), []string{"u1"}, id)
	if err != nil || snap.Status() != job.StatusSucceeded {
		t.Fatalf("got %+v, %v", snap, err)
	}
	result := snap.Record.Result
	if len(result.Media) != 1 || len(result.Missing) != 2 || result.Missing[0].Error.Code != job.CodeDeadline {
		t.Errorf("got %+v", result)
	}
}

// TestDeleteWhileSettling deletes a job whose end can be seen already and whose message leaves the queue a moment later.
func TestDeleteWhileSettling(t *testing.T) {
	t.Parallel()
	r := start(t)
	spec := r.submit(t)
	r.record(t, spec, job.StatusSucceeded)
	r.SetAfter(func(step jobs.Step) error {
		if step == jobs.StepSettling {
			r.unqueue(t, spec)
		}
		return nil
	})
	if err := r.Delete(t.Context(), []string{"u1"}, spec.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context(), []string{"u1"}, spec.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("read: %v", err)
	}
}

// TestEnqueueOnce enqueues jobs again, as what a crash has left of a batch is completed: none may run a second time.
func TestEnqueueOnce(t *testing.T) {
	t.Parallel()
	r := start(t)
	queued, ended, deleted, unknown := r.submit(t), r.submit(t), r.submit(t), fresh(t, "u1")
	r.finish(t, ended)
	r.finish(t, deleted)
	if err := r.Delete(t.Context(), []string{"u1"}, deleted.ID); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		spec *job.Spec
		want bool
	}{"queued": {queued, true}, "ended": {ended, false}, "deleted": {deleted, false}, "unknown": {unknown, true}} {
		if err := r.EnqueueOnce(t.Context(), tc.spec); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := r.queued(t, tc.spec); got != tc.want {
			t.Errorf("%s: in the queue %t, want %t", name, got, tc.want)
		}
	}
}
