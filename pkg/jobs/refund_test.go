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

// TestRefundOfACancelStoppedInEachGap stops the process after each step of a cancel before the start. Canceled again, the job is
// refunded once, to its owner and its address.
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
			if _, _, err := r.Enqueue(t.Context(), spec, false); err != nil {
				t.Fatal(err)
			}
			if _, err := r.crashes(step).Cancel(t.Context(), []string{"u1"}, spec.ID); !errors.Is(err, errCrash) {
				t.Fatal(err)
			}
			given := step != jobs.StepMedia && step != jobs.StepRecord && step != jobs.StepNotice
			if got := used(); (got == "0 0") != given {
				t.Errorf("after the step, the day and the address are %s", got)
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

// TestFollowUpRefundsOnce repeats the follow-up of charged jobs, as each process may that finds the record.
func TestFollowUpRefundsOnce(t *testing.T) {
	t.Parallel()
	s := start(t)
	now := time.Now()
	q := quota.New(s.broker, quota.Plans{Media: quota.Plan{Member: quota.Limits{PerDay: 100}, AddressPerDay: 200}}, func() time.Time { return now })
	who := quota.Key{Group: quota.GroupMedia, Lane: job.LaneMember, Owner: "who", Address: "address"}
	charged := func(r *job.Record, units int) *job.Record {
		bill, err := q.Charge(t.Context(), who, r.Spec.ID, units)
		if err != nil {
			t.Fatal(err)
		}
		r.Spec.Charge, r.FinishedAt = bill.Charge, job.At(now)
		return r
	}
	partial := succeeded("partial")
	partial.Result = &job.Result{Missing: []job.Missing{{Index: 1, Error: *job.NewError(job.CodeTimeout, 504)}}}
	own := failed("own")
	own.Error = job.NewError(job.CodeModerated, 400)
	canceled := succeeded("canceled")
	canceled.Status, canceled.Cancel = job.StatusCanceled, job.CancelBeforeStart
	used := func() int {
		list, err := q.Usage(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		if list[0].Used != list[1].Used {
			t.Errorf("%d counted for the member and %d for the address", list[0].Used, list[1].Used)
		}
		return list[0].Used
	}
	for _, c := range []struct {
		record *job.Record
		units  int
		kept   int
	}{{charged(failed("failed"), 3), 3, 0}, {charged(partial, 4), 4, 3}, {charged(succeeded("good"), 1), 1, 1}, {charged(own, 2), 2, 2}, {charged(canceled, 1), 1, 0}} {
		before := used()
		s.putRecord(t, c.record)
		for _, detail := range []string{"response of the upstream", "", ""} {
			if err := s.FollowUp(t.Context(), c.record, detail); err != nil {
				t.Error(err)
			}
		}
		if back := before - used(); back != c.units-c.kept {
			t.Errorf("%s: %d refunded, want %d", c.record.Spec.ID, back, c.units-c.kept)
		}
	}
	if _, err := s.store.DeadLetter(t.Context(), "failed"); err != nil {
		t.Errorf("dead letter: %v", err)
	}
	if _, err := s.store.DeadLetter(t.Context(), "partial"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("dead letter of a job that succeeded: %v", err)
	}
}
