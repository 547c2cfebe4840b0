package jobs_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// TestRefundOfACancelStoppedInEachGap loses the process behind each step of a cancel before the start. Canceled again, the
// job gives back what it took, of its owner and of the address, once.
func TestRefundOfACancelStoppedInEachGap(t *testing.T) {
	t.Parallel()
	for _, step := range endSteps() {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			r := start(t)
			today := time.Now()
			q := quota.New(r.broker, quota.Plans{Media: quota.Plan{Guest: quota.Limits{PerDay: 9}, AddressPerDay: 20}}, func() time.Time { return today })
			key := quota.Key{Group: quota.GroupMedia, Lane: job.LaneGuest, Owner: "who", Address: "address"}
			used := func() string {
				list, err := q.Usage(t.Context(), key)
				if err != nil {
					t.Fatal(err)
				}
				return fmt.Sprint(list[0].Used, list[1].Used)
			}
			spec := fresh(t, "u1")
			bill, err := q.Charge(t.Context(), key, spec.ID, spec.Units())
			if err != nil {
				t.Fatal(err)
			}
			spec.Charge = bill.Charge
			if _, _, err := r.Submit(t.Context(), spec, false); err != nil {
				t.Fatal(err)
			}
			if _, err := r.crashes(step).Cancel(t.Context(), []string{"u1"}, spec.ID); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			given := step != store.StepMedia && step != store.StepRecord && step != jobs.StepNotice
			if got := used(); (got == "0 0") != given {
				t.Errorf("behind the step the day and the address are %s", got)
			}
			for range 2 {
				snap, err := r.Cancel(t.Context(), []string{"u1"}, spec.ID)
				if err != nil && !errors.Is(err, jobs.ErrFinished) || err == nil && snap.Record.Cancel != job.CancelBeforeStart {
					t.Fatalf("%+v, %v", snap, err)
				}
			}
			if got := used(); got != "0 0" {
				t.Errorf("the day and the address are %s", got)
			}
		})
	}
}
