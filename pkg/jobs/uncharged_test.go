package jobs_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// TestGoneCopyIsCharged deletes a job while another one that was to be a copy of it is submitted under an idempotency key. A worker has
// to make the upstream call, which is charged.
func TestGoneCopyIsCharged(t *testing.T) {
	t.Parallel()
	r := start(t)
	s, err := jobs.NewSubmitter(jobs.Config{MaxAttempts: 1, Voice: "nova"}, jobs.SubmitterDeps{
		Jobs: r.Service, Catalogue: catalogue.Builtin(), Secret: []byte("secret"),
		Quota:   quota.New(r.broker, quota.Plans{Media: quota.Plan{Member: quota.Limits{PerDay: 9}}}, nil),
		Metrics: telemetry.NewMetrics(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	caller := jobs.Caller{Owner: "u1", Lane: job.LaneMember}
	first, err := s.Submit(t.Context(), caller, speech(t, s, "Good evening."))
	if err != nil {
		t.Fatal(err)
	}
	r.work(t, first.Job.Spec)
	r.SetAfter(func(at jobs.Step) error {
		if at != jobs.StepPush {
			return nil
		}
		return r.store.Delete(t.Context(), caller.Owner, first.Job.Spec.ID, true)
	})
	second, err := s.Submit(t.Context(), caller, speech(t, s, "Good evening.", func(o *jobs.Order) { o.Key = "k" }))
	r.SetAfter(nil)
	if err != nil || second.Job.Status() != job.StatusQueued {
		t.Fatalf("submit: %+v, %v", second, err)
	}
	record := &job.Record{
		Spec: r.read(t, second.Job.Spec).Spec, Status: job.StatusSucceeded, Result: &job.Result{}, Attempt: 1, FinishedAt: job.At(time.Now()),
	}
	if _, _, err := r.Settle(t.Context(), jobs.Settlement{Record: record}); err != nil {
		t.Fatal(err)
	}
	usage, err := s.Usage(t.Context(), caller)
	if err != nil || len(usage) != 1 || usage[0].Used != 2 {
		t.Errorf("two upstream calls are charged as %+v, %v", usage, err)
	}
}
