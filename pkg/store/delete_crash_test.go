package store_test

import (
	"errors"
	"os"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// TestDeleteStoppedInEachGap stops a deletion after each step: the record exists until the last one, so that the deletion can be
// repeated, and nothing of the job is left then.
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
			if _, _, err := s.PutRecord(t.Context(), succeeded("j1")); errors.Is(err, store.ErrDeleted) != fence {
				t.Errorf("%s: a late end: %v, tombstone %t", step, err, fence)
			}
		}
	}
}

// TestDeletedStaysDeleted reads the files of a NATS that was killed after a deletion whose tombstone was removed for a new job with
// the same id: the new job must not have the old record.
func TestDeletedStaysDeleted(t *testing.T) {
	t.Parallel()
	in := func(dir string) func(*broker.Config) {
		return func(c *broker.Config) { c.DataDir, c.Sync = dir, "always" }
	}
	dir, killed := t.TempDir(), t.TempDir()
	s, _ := start(t, in(dir))
	create(t, s, succeeded("j0")) // Without another record the stream would be empty.
	create(t, s, succeeded("j1"))
	if err := s.Delete(t.Context(), "u1", "j1", true); err != nil {
		t.Fatal(err)
	}
	if err := s.RemoveTombstone(t.Context(), "u1", "j1"); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(killed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	after, _ := start(t, in(killed))
	_, err := after.RecordLeader(t.Context(), "u1", "j1")
	missing(t, "the deleted record", err)
	if _, err := after.RecordLeader(t.Context(), "u1", "j0"); err != nil {
		t.Errorf("the other record: %v", err)
	}
}
