package jobs_test

import (
	"errors"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

func TestRetryable(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, c := range []struct {
		name  string
		bring func(*job.Spec)
		want  error
	}{
		{"queued", func(*job.Spec) {}, jobs.ErrNotRetryable},
		{"running", func(s *job.Spec) { r.progress(t, s, job.StatusRunning) }, jobs.ErrNotRetryable},
		{"succeeded", func(s *job.Spec) { r.finish(t, s) }, jobs.ErrNotRetryable},
		{"failed", func(s *job.Spec) { r.record(t, s, job.StatusFailed) }, nil},
		{"canceled", func(s *job.Spec) {
			if _, err := r.Cancel(t.Context(), []string{"u1"}, s.ID); err != nil {
				t.Fatal(err)
			}
		}, nil},
	} {
		spec := r.submit(t)
		c.bring(spec)
		snap, err := r.Retryable(t.Context(), []string{"u2", "u1"}, spec.ID)
		if !errors.Is(err, c.want) || snap == nil || snap.Spec.ID != spec.ID {
			t.Errorf("%s: %+v, %v", c.name, snap, err)
		}
		if _, err := r.Retryable(t.Context(), []string{"u2"}, spec.ID); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("%s, of another owner: %v", c.name, err)
		}
	}
	for _, id := range []string{"", "*", "nothing", "a.b"} {
		if _, err := r.Retryable(t.Context(), []string{"u1"}, id); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("%q: %v", id, err)
		}
	}
}
