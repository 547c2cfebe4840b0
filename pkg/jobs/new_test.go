package jobs_test

import (
	"log/slog"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// TestNewJobs: of the jobs that a process submits, those are known to have no record whose ids are new, until they are ended.
func TestNewJobs(t *testing.T) {
	t.Parallel()
	limits := quota.Limits{PerMinute: 9, PerDay: 9}
	for name, plans := range map[string]quota.Plans{
		"quota": {Media: quota.Plan{Guest: limits, AddressPerDay: 9}}, "no quota": {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t)
			s, err := jobs.NewSubmitter(jobs.Config{MaxAttempts: 1, Voice: "nova"}, jobs.SubmitterDeps{
				Jobs: r.Service, Catalogue: catalogue.Builtin(), Secret: []byte("secret"), Quota: quota.New(r.broker, plans, nil),
				Metrics: telemetry.NewMetrics(), Log: slog.New(slog.DiscardHandler),
			})
			if err != nil {
				t.Fatal(err)
			}
			caller := jobs.Caller{Owner: job.OwnerAnonymous, Lane: job.LaneGuest, Address: "192.0.2.1"}
			submit := func(key string) string {
				order, err := s.NewOrder(job.KindImage, &job.ImageInput{Prompt: "a lighthouse"}, nil, catalogue.Builtin())
				if err != nil {
					t.Fatal(err)
				}
				order.Key = key
				submission, err := s.Submit(t.Context(), caller, order)
				if err != nil {
					t.Fatal(err)
				}
				return submission.Job.Spec.ID
			}
			id := submit("")
			if !r.store.TakeNew(id) || r.store.TakeNew(id) {
				t.Error("a new job is not known to be new, or twice")
			}
			if r.store.TakeNew(submit("key")) {
				t.Error("a keyed job, which may have ended before, is taken for new")
			}
			ended := submit("")
			if _, err := r.Cancel(t.Context(), []string{caller.Owner}, ended); err != nil {
				t.Fatal(err)
			}
			if r.store.TakeNew(ended) {
				t.Error("a canceled job is taken for new")
			}
		})
	}
}
