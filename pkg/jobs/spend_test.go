package jobs_test

import (
	"errors"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/spend"
)

// TestCostStoppedInEachGap stops the process after each step of a settlement. Settled again, by whoever finds the record, the job is
// counted once.
func TestCostStoppedInEachGap(t *testing.T) {
	t.Parallel()
	r := start(t)
	counters := spend.New(r.broker)
	for i, step := range endSteps() {
		spec := fresh(t, "u1")
		spec.Lane, spec.Spending = job.LaneMember, &job.Spending{}
		r.submitSpec(t, spec)
		settlement := jobs.Settlement{Record: &job.Record{
			Status: job.StatusSucceeded, Spec: spec, FinishedAt: job.At(time.Now()),
			Result: &job.Result{Text: "t", Usage: &job.Usage{Cost: "0.5", Currency: "pollen"}},
		}}
		if _, _, err := r.crashes(step).Settle(t.Context(), settlement); !errors.Is(err, errCrash) {
			t.Fatalf("%s: %v", step, err)
		}
		for range 2 {
			if _, _, err := r.Settle(t.Context(), settlement); err != nil {
				t.Fatalf("%s: %v", step, err)
			}
		}
		rows, _, err := counters.Report(t.Context(), "u1", spend.Query{Since: "2", Until: "3"})
		if err != nil || rows[0].Jobs != int64(i+1) || rows[0].Cost != job.Amount(i+1)*50_000_000 {
			t.Errorf("%s: %+v, %v", step, rows, err)
		}
	}
}
