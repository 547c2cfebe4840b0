package jobs_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// TestEndsAreCounted checks that the metrics count each job that the service ends once, and none that a worker ends.
func TestEndsAreCounted(t *testing.T) {
	t.Parallel()
	r := start(t)
	m := telemetry.NewMetrics()
	l := jobs.New(r.broker, r.queue, r.store, jobs.WithMetrics(m))
	owners := []string{"u1"}
	canceled, late, lost := r.submit(t), r.due(t, -time.Minute), r.submit(t)
	for range 2 {
		if _, err := l.Cancel(t.Context(), owners, canceled.ID); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Read(t.Context(), owners, late.ID); err != nil {
			t.Fatal(err)
		}
	}
	// A worker ends the job first.
	l.SetAfter(func(at jobs.Step) error {
		if at == jobs.StepMedia {
			r.record(t, lost, job.StatusFailed)
		}
		return nil
	})
	if snap, err := l.Cancel(t.Context(), owners, lost.ID); err == nil || snap.Status() != job.StatusFailed {
		t.Errorf("%+v, %v", snap, err)
	}
	for outcome, want := range map[job.Status]float64{job.StatusCanceled: 1, job.StatusFailed: 1, job.StatusSucceeded: 0} {
		if got := value(t, m.JobsFinished.WithLabelValues("image", string(outcome))); got != want {
			t.Errorf("%v %s, want %v", got, outcome, want)
		}
	}
	if got := value(t, m.DeadLetters.WithLabelValues("image", job.CodeDeadline)); got != 1 {
		t.Errorf("%v dead letters", got)
	}
}

// TestEndOutlivesItsCaller cancels a read while the expired job is being ended, as a client may that has received the new record
// as an event.
func TestEndOutlivesItsCaller(t *testing.T) {
	t.Parallel()
	r := start(t)
	m := telemetry.NewMetrics()
	l := jobs.New(r.broker, r.queue, r.store, jobs.WithMetrics(m))
	late := r.due(t, -time.Minute)
	ctx, leave := context.WithCancel(t.Context())
	l.SetAfter(func(at jobs.Step) error {
		if at == jobs.StepMedia {
			leave()
		}
		return nil
	})
	if snap, err := l.Read(ctx, []string{"u1"}, late.ID); err != nil || snap.Status() != job.StatusFailed {
		t.Errorf("%+v, %v", snap, err)
	}
	if got := value(t, m.JobsFinished.WithLabelValues("image", string(job.StatusFailed))); got != 1 {
		t.Errorf("counted %v times", got)
	}
}

// TestOutlive checks that the context has a deadline, without which requests to NATS are not repeated, and ends some time after
// its parent.
func TestOutlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		parent, leave := context.WithTimeout(t.Context(), 10*time.Second)
		longer, release := jobs.Outlive(parent, 2*time.Second)
		defer release()
		if deadline, ok := longer.Deadline(); !ok || deadline.Sub(began) != 12*time.Second {
			t.Errorf("deadline %s, %v", deadline.Sub(began), ok)
		}
		leave()
		<-longer.Done()
		if took := time.Since(began); took != 2*time.Second {
			t.Errorf("it ends after %s", took)
		}
	})
}
