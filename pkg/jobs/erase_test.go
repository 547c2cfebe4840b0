package jobs_test

import (
	"context"
	"errors"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func TestEraseAnOwner(t *testing.T) {
	t.Parallel()
	r := start(t)
	const erased, kept = "erased", "kept"
	specs := map[string][]*job.Spec{}
	for _, owner := range []string{erased, kept} {
		queued, running, ended := fresh(t, owner), fresh(t, owner), fresh(t, owner)
		for _, spec := range []*job.Spec{queued, running, ended} {
			r.submitSpec(t, spec)
		}
		r.progress(t, running, job.StatusRunning)
		r.record(t, ended, job.StatusFailed)
		r.unqueue(t, ended)
		if err := r.store.PutDeadLetter(t.Context(), &job.DeadLetter{Spec: ended, Error: job.NewError(job.CodeTimeout, 504)}); err != nil {
			t.Fatal(err)
		}
		specs[owner] = []*job.Spec{queued, running, ended}
	}
	for range 2 {
		if err := r.Erase(t.Context(), erased); err != nil {
			t.Fatal(err)
		}
	}
	for _, spec := range specs[erased] {
		if _, err := r.Read(t.Context(), []string{erased}, spec.ID); !errors.Is(err, jobs.ErrNotFound) || r.queued(t, spec) {
			t.Errorf("a job is left: %v", err)
		}
	}
	for _, spec := range specs[kept] {
		r.read(t, spec)
	}
	for owner, want := range map[string]int{erased: 0, kept: 1} {
		page, err := r.store.DeadLetters(t.Context(), store.DeadLetterFilter{Owner: owner}, 0, 10)
		if err != nil || page.Total != want {
			t.Errorf("%s has %+v, %v", owner, page, err)
		}
	}
}

// TestEraseWaitsForASettlement erases an owner with a record whose job is still in the queue, as during a settlement.
func TestEraseWaitsForASettlement(t *testing.T) {
	t.Parallel()
	r := start(t)
	spec := r.submit(t)
	r.record(t, spec, job.StatusFailed)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Erase(ctx, spec.Owner) }()
	r.unqueue(t, spec)
	if err := <-done; err != nil {
		t.Errorf("once it is settled: %v", err)
	}
	cancel()
	second := fresh(t, spec.Owner)
	r.submitSpec(t, second)
	r.record(t, second, job.StatusFailed)
	if err := r.Erase(ctx, spec.Owner); !errors.Is(err, context.Canceled) {
		t.Errorf("after ctx has ended: %v", err)
	}
}
