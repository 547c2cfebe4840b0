package store_test

import (
	"errors"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// TestDeleteStoppedInEachGap stops a deletion behind each of its steps: the record is there until the last one, so that
// its owner can delete the job again, and nothing of the job is left then.
func TestDeleteStoppedInEachGap(t *testing.T) {
	t.Parallel()
	errCrash := errors.New("the test stops the program here")
	for _, fence := range []bool{false, true} {
		for _, step := range []store.Step{store.StepDeleteMedia, store.StepDeleteProgress} {
			s, _ := start(t)
			if _, err := s.PutMedia(t.Context(), "u1", "j1", job.Media{ContentType: "image/png"}, []byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := s.PutProgress(t.Context(), "u1", &job.Progress{ID: "j1", Status: job.StatusRunning}, 0); err != nil {
				t.Fatal(err)
			}
			create(t, s, succeeded("j1"))
			s.SetAfter(func(at store.Step) error {
				if at == step {
					return errCrash
				}
				return nil
			})
			if err := s.Delete(t.Context(), "u1", "j1", fence); !errors.Is(err, errCrash) {
				t.Fatalf("%s: %v", step, err)
			}
			if _, err := s.RecordLeader(t.Context(), "u1", "j1"); err != nil {
				t.Errorf("%s: the record: %v", step, err)
			}
			_, err := s.MediaInfo(t.Context(), "u1", "j1", 0)
			missing(t, "media", err)
			s.SetAfter(nil)
			if err := s.Delete(t.Context(), "u1", "j1", fence); err != nil {
				t.Errorf("%s, again: %v", step, err)
			}
			_, err = s.RecordLeader(t.Context(), "u1", "j1")
			missing(t, "record", err)
			_, _, err = s.ProgressLeader(t.Context(), "u1", "j1")
			missing(t, "progress", err)
			if _, _, err := s.Settle(t.Context(), succeeded("j1"), nil, nil); errors.Is(err, store.ErrDeleted) != fence {
				t.Errorf("%s: a late end: %v, fenced %t", step, err, fence)
			}
		}
	}
}
