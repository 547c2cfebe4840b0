package jobs_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/webhook"
)

// events returns the events that were ever published for an owner.
func (r *rig) events(t *testing.T, owner string) []job.Event {
	t.Helper()
	stream, err := r.broker.JetStream().Stream(t.Context(), broker.WebhooksStream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(broker.OwnerWebhooksSubject(owner)))
	if err != nil {
		t.Fatal(err)
	}
	var events []job.Event
	for subject := range info.State.Subjects {
		msg, err := stream.GetLastMsgForSubject(t.Context(), subject)
		if err != nil {
			t.Fatal(err)
		}
		var d webhook.Delivery
		if err := json.Unmarshal(msg.Data, &d); err != nil {
			t.Fatal(err)
		}
		events = append(events, d.Event)
	}
	return events
}

// TestEventSurvivesEveryCrash stops a settlement after each step. As long as the message is in the queue the event is published
// by whoever continues, and it is published once; without the message it is published already.
func TestEventSurvivesEveryCrash(t *testing.T) {
	t.Parallel()
	r := start(t)
	for _, step := range endSteps() {
		owner := "owner-" + string(step)
		spec := specOf(owner, "j-"+string(step), time.Now())
		spec.Webhook = &job.Webhook{URL: "https://hooks.example.org/", Events: job.EndEvents()}
		if _, _, err := r.Enqueue(t.Context(), spec, false); err != nil {
			t.Fatal(err)
		}
		record := &job.Record{Status: job.StatusFailed, Spec: spec, FinishedAt: job.At(time.Now()), Error: job.NewError(job.CodeUnavailable, 502)}
		if _, _, err := r.crashes(step).Settle(t.Context(), jobs.Settlement{Record: record}); !errors.Is(err, errCrash) {
			t.Fatalf("%s: %v", step, err)
		}
		published := len(r.events(t, owner))
		if !r.queued(t, spec) && published != 1 {
			t.Errorf("after %s the job has left the queue without its event", step)
		}
		// The end of the job from outside finds the record, if that is stored.
		if _, err := r.Cancel(t.Context(), []string{owner}, spec.ID); err != nil && !errors.Is(err, jobs.ErrFinished) {
			t.Fatalf("%s: %v", step, err)
		}
		want := job.EventFailed
		if step == jobs.StepMedia {
			want = job.EventCanceled
		}
		if err := r.Finish(t.Context(), jobs.Settlement{Record: r.recordOf(t, spec)}); err != nil {
			t.Fatalf("%s: %v", step, err)
		}
		if events := r.events(t, owner); len(events) != 1 || events[0] != want {
			t.Errorf("after a crash at %s the events are %v, want %s", step, events, want)
		}
	}
	// A start that was not published is published with the end.
	spec := specOf("late", "j", time.Now())
	spec.Webhook = &job.Webhook{URL: "https://hooks.example.org/", Events: []job.Event{job.EventStarted}}
	record := &job.Record{Status: job.StatusSucceeded, Spec: spec, StartedAt: job.AtPtr(time.Now()), FinishedAt: job.At(time.Now())}
	for range 2 {
		if _, _, err := r.Settle(t.Context(), jobs.Settlement{Record: record}); err != nil {
			t.Fatal(err)
		}
	}
	if events := r.events(t, "late"); len(events) != 1 || events[0] != job.EventStarted {
		t.Errorf("the events are %v", events)
	}
	if events := r.events(t, "nobody"); events != nil {
		t.Errorf("a job without a webhook has %v", events)
	}
}

func (r *rig) recordOf(t *testing.T, spec *job.Spec) *job.Record {
	t.Helper()
	record, err := r.store.RecordLeader(t.Context(), spec.Owner, spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	return record
}
