package jobs_test

import (
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// TestDeletedWhileItsKeyIsUsedAgain deletes a job at each step of the submission of a new one under its idempotency key. The
// tombstone of the deletion must not prevent the new job from ending.
func TestDeletedWhileItsKeyIsUsedAgain(t *testing.T) {
	t.Parallel()
	for _, moment := range []jobs.Step{jobs.StepRemoveTombstone, jobs.StepPush} {
		t.Run("submission at "+string(moment), func(t *testing.T) {
			t.Parallel()
			r := start(t)
			spec := keyed(t, keyedID(), "f")
			r.SetAfter(func(step jobs.Step) error {
				if step == moment {
					// The rest of the other caller's deletion.
					return r.store.Delete(t.Context(), spec.Owner, spec.ID, true)
				}
				return nil
			})
			if _, replayed, err := r.Enqueue(t.Context(), spec, true); err != nil || replayed {
				t.Fatalf("submit: %v, replayed %v", err, replayed)
			}
			r.SetAfter(nil)
			mustEnd(t, r, spec)
		})
	}
	t.Run("deletion", func(t *testing.T) {
		t.Parallel()
		r := start(t)
		first := keyed(t, keyedID(), "f")
		r.submitSpec(t, first)
		r.finish(t, first)
		second := *first
		r.SetAfter(func(step jobs.Step) error {
			if step != jobs.StepDeletable {
				return nil
			}
			// The deletion has checked that the job is settled. Its record is removed, and the key is used again.
			r.SetAfter(nil)
			if err := r.store.Delete(t.Context(), first.Owner, first.ID, false); err != nil {
				return err
			}
			_, _, err := r.Enqueue(t.Context(), &second, true)
			return err
		})
		if err := r.Delete(t.Context(), []string{first.Owner}, first.ID); err != nil {
			t.Fatal(err)
		}
		mustEnd(t, r, &second)
	})
}

// mustEnd cancels a job and checks that it is canceled.
func mustEnd(t *testing.T, r *rig, spec *job.Spec) {
	t.Helper()
	snap, err := r.Cancel(t.Context(), []string{spec.Owner}, spec.ID)
	if err != nil || snap.Status() != job.StatusCanceled {
		t.Fatalf("cancel: %+v, %v", snap, err)
	}
	if got := r.read(t, spec); got.Status() != job.StatusCanceled || r.queued(t, spec) {
		t.Errorf("afterwards it is %s", got.Status())
	}
}
