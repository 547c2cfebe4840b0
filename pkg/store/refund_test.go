package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// TestFollowUpGivesBack ends charged jobs and follows up again and again, as each who finds the record does.
func TestFollowUpGivesBack(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	now := time.Now()
	q := quota.New(b, quota.Plans{Media: quota.Plan{Member: quota.Limits{PerDay: 100}, AddressPerDay: 200}}, func() time.Time { return now })
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
		stays  int
	}{{charged(failed("failed"), 3), 3, 0}, {charged(partial, 4), 4, 3}, {charged(succeeded("good"), 1), 1, 1}, {charged(own, 2), 2, 2}, {charged(canceled, 1), 1, 0}} {
		before := used()
		create(t, s, c.record)
		for _, detail := range []string{"what the upstream said", "", ""} {
			if err := s.FollowUp(t.Context(), c.record, detail); err != nil {
				t.Error(err)
			}
		}
		if back := before - used(); back != c.units-c.stays {
			t.Errorf("%s: %d given back, want %d", c.record.Spec.ID, back, c.units-c.stays)
		}
	}
	if _, err := s.Letter(t.Context(), "failed"); err != nil {
		t.Errorf("the dead letter: %v", err)
	}
	if _, err := s.Letter(t.Context(), "partial"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a letter of a job that succeeded: %v", err)
	}
}
