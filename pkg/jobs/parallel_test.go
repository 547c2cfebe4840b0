package jobs_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// TestSubmissionsDoNotWaitForEachOther stops a submission between its publish and its response: another one of the same caller is
// accepted meanwhile, while a repetition under the same key waits and becomes a replay.
func TestSubmissionsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	r := start(t)
	limits := quota.Limits{PerMinute: 9, PerDay: 9}
	s, err := jobs.NewSubmitter(jobs.Config{MaxAttempts: 1, Voice: "nova"}, jobs.SubmitterDeps{
		Jobs: r.Service, Catalogue: catalogue.Builtin(), Secret: []byte("secret"),
		Quota:   quota.New(r.broker, quota.Plans{Media: quota.Plan{Guest: limits, AddressPerDay: 9}}, nil),
		Metrics: telemetry.NewMetrics(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	caller := jobs.Caller{Owner: job.OwnerAnonymous, Lane: job.LaneGuest, Address: "192.0.2.1"}
	submit := func(key string) (*jobs.Submission, error) {
		order, err := s.NewOrder(job.KindImage, &job.ImageInput{Prompt: "a lighthouse"}, nil, catalogue.Builtin())
		if err != nil {
			return nil, err
		}
		order.Key = key
		return s.Submit(ctx, caller, order)
	}
	stopped, resume := make(chan struct{}), make(chan struct{})
	first := true
	r.SetAfter(func(step jobs.Step) error {
		if step == jobs.StepPush && first {
			first = false
			close(stopped)
			<-resume
		}
		return nil
	})
	type outcome struct {
		*jobs.Submission
		error
	}
	outcomes := make(chan outcome, 2)
	run := func() {
		submission, err := submit("one")
		outcomes <- outcome{submission, err}
	}
	go run()
	<-stopped
	go run()
	if other, err := submit(""); err != nil || other.Replayed {
		t.Errorf("another submission: %+v, %v", other, err)
	}
	close(resume)
	replays := 0
	for range 2 {
		o := <-outcomes
		if o.error != nil {
			t.Fatal(o.error)
		}
		if o.Replayed {
			replays++
		}
	}
	usage, err := s.Usage(ctx, caller)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range usage {
		if u.Used != 2 || replays != 1 {
			t.Errorf("%d replays; used %d of the %s, want 2", replays, u.Used, u.Window)
		}
	}
}
