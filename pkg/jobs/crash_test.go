package jobs_test

import (
	"errors"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

var errCrash = errors.New("the test stops the program here")

// crashes returns the service of another process on the same NATS, which stops after a step.
func (r *rig) crashes(step jobs.Step) *jobs.Service {
	l := jobs.New(r.broker, r.queue, r.store)
	l.SetAfter(func(at jobs.Step) error {
		if at == step {
			return errCrash
		}
		return nil
	})
	return l
}

// endSteps returns the steps of ending a job from outside.
func endSteps() []jobs.Step {
	return []jobs.Step{
		jobs.StepMedia, jobs.StepRecord, jobs.StepNotice, jobs.StepFollowUp, jobs.StepUnqueue, jobs.StepProgress,
	}
}

// state is the stored state of a job.
type state struct{ record, dead, queued, progress bool }

func (r *rig) state(t *testing.T, spec *job.Spec) state {
	t.Helper()
	has := func(stream, subject string) bool {
		msg, err := broker.LeaderLast(t.Context(), r.broker.JetStream(), stream, subject)
		return err == nil && len(msg.Data) > 0
	}
	return state{
		record:   has(broker.ResultsStream, broker.RecordSubject(spec.Owner, spec.ID)),
		dead:     has(broker.StreamDead, broker.DeadSubject(spec.Kind, spec.Owner, spec.ID)),
		queued:   r.queued(t, spec),
		progress: has(broker.ProgressStream, broker.ProgressSubject(spec.Owner, spec.ID)),
	}
}

// expectState checks the stored state of a job. Its progress may be there for a moment longer: the service removes it without waiting
// for the answer.
func (r *rig) expectState(t *testing.T, spec *job.Spec, want state) {
	t.Helper()
	got := r.state(t, spec)
	if got.progress && !want.progress {
		eventually(t, "the progress is removed", func() bool { return !r.state(t, spec).progress })
		got.progress = false
	}
	if got != want {
		t.Errorf("after the step: %+v, want %+v", got, want)
	}
}

// stateAfter returns the stored state after a step: the message is removed only when all else is stored.
func stateAfter(step jobs.Step, failed bool) state {
	switch step {
	case jobs.StepMedia:
		return state{queued: true, progress: true}
	case jobs.StepRecord, jobs.StepNotice:
		return state{record: true, queued: true, progress: true}
	case jobs.StepFollowUp:
		return state{record: true, dead: failed, queued: true, progress: true}
	case jobs.StepUnqueue:
		return state{record: true, dead: failed, progress: true}
	default:
		return state{record: true, dead: failed}
	}
}

// TestSubmitStoppedBeforeItsAnswer stops the process between the publish and the response. With a key, a repeated submission
// returns the same job, in any state; without a key, the job exists too.
func TestSubmitStoppedBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, meanwhile := range map[string]func(*job.Spec){
		"waits":     func(*job.Spec) {},
		"runs":      func(s *job.Spec) { r.progress(t, s, job.StatusRunning) },
		"has ended": func(s *job.Spec) { r.finish(t, s) },
	} {
		id := keyedID()
		first := keyed(t, id, "f1")
		if _, _, err := r.crashes(jobs.StepPush).Enqueue(t.Context(), first, true); !errors.Is(err, errCrash) {
			t.Fatalf("%s: %v", name, err)
		}
		meanwhile(first)
		was := r.read(t, first).Status()
		for range 2 {
			snap, replayed, err := r.Enqueue(t.Context(), keyed(t, id, "f1"), true)
			if err != nil || !replayed || snap.Status() != was || !snap.Spec.CreatedAt.Equal(first.CreatedAt.Time) {
				t.Errorf("%s: %+v, replayed %t, %v", name, snap, replayed, err)
			}
		}
		if r.queued(t, first) != (name != "has ended") {
			t.Errorf("%s: queued %t", name, r.queued(t, first))
		}
	}
	plain := fresh(t, "u2")
	if _, _, err := r.crashes(jobs.StepPush).Enqueue(t.Context(), plain, false); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	if page, err := r.List(t.Context(), []string{"u2"}, jobs.Filter{Limit: 10}); err != nil || len(page.Jobs) != 1 || page.Jobs[0].Spec.ID != plain.ID {
		t.Errorf("%+v, %v", page, err)
	}
}

// TestReplayStoppedBeforeItsAnswer stops the process after it has published an ended job again, and before it removes that
// message. The job keeps its record, and the message is removed later.
func TestReplayStoppedBeforeItsAnswer(t *testing.T) {
	t.Parallel()
	r := start(t)
	id := keyedID()
	first := keyed(t, id, "f1")
	if _, _, err := r.Enqueue(t.Context(), first, true); err != nil {
		t.Fatal(err)
	}
	r.finish(t, first)
	again := keyed(t, id, "f1")
	again.Deadline = job.At(time.Now())
	if _, _, err := r.crashes(jobs.StepPush).Enqueue(t.Context(), again, true); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	if !r.queued(t, first) || r.read(t, first).Status() != job.StatusSucceeded {
		t.Errorf("queued %t and %s", r.queued(t, first), r.read(t, first).Status())
	}
	snap, replayed, err := r.Enqueue(t.Context(), keyed(t, id, "f1"), true)
	if err != nil || !replayed || snap.Status() != job.StatusSucceeded {
		t.Errorf("%+v, replayed %t, %v", snap, replayed, err)
	}
	r.sweep(t)
	r.settled(t, first)
	if got := r.read(t, first).Status(); got != job.StatusSucceeded {
		t.Errorf("became %s", got)
	}
}

// TestKeyStoppedBeforeItsJob stops the process after the tombstone of a key's deleted job was removed, before the new job is stored.
func TestKeyStoppedBeforeItsJob(t *testing.T) {
	t.Parallel()
	r := start(t)
	id := keyedID()
	first := keyed(t, id, "f1")
	if _, _, err := r.Enqueue(t.Context(), first, true); err != nil {
		t.Fatal(err)
	}
	r.progress(t, first, job.StatusRunning)
	if _, err := r.Cancel(t.Context(), []string{"u1"}, id); err != nil {
		t.Fatal(err)
	}
	if err := r.Delete(t.Context(), []string{"u1"}, id); err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.crashes(jobs.StepRemoveTombstone).Enqueue(t.Context(), keyed(t, id, "f1"), true); !errors.Is(err, errCrash) {
		t.Fatal(err)
	}
	if _, err := r.Read(t.Context(), []string{"u1"}, id); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("read: %v", err)
	}
	second := keyed(t, id, "f1")
	if snap, replayed, err := r.Enqueue(t.Context(), second, true); err != nil || replayed || snap.Status() != job.StatusQueued {
		t.Errorf("%+v, replayed %t, %v", snap, replayed, err)
	}
	r.finish(t, second)
}

// TestCancelStoppedInEachGap stops the process after each step of a cancel. Before the record is stored, the job is unchanged;
// after that it is canceled, and both a repeated cancel and the sweeper take the remaining steps.
func TestCancelStoppedInEachGap(t *testing.T) {
	t.Parallel()
	owners := []string{"u1"}
	for _, step := range endSteps() {
		for name, recover := range map[string]func(*testing.T, *rig, string){
			"canceled again": func(t *testing.T, r *rig, id string) {
				t.Helper()
				if snap, err := r.Cancel(t.Context(), owners, id); err != nil || snap.Status() != job.StatusCanceled {
					t.Errorf("%+v, %v", snap, err)
				}
			},
			"swept": func(t *testing.T, r *rig, _ string) {
				t.Helper()
				var c clock
				c.set(2 * time.Hour)
				r.SetNow(c.now)
				r.sweep(t)
			},
		} {
			t.Run(string(step)+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := start(t)
				notified := r.notices(t)
				spec := r.submit(t)
				r.progress(t, spec, job.StatusRunning)
				if _, err := r.crashes(step).Cancel(t.Context(), owners, spec.ID); !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
				r.expectState(t, spec, stateAfter(step, false))
				if step == jobs.StepMedia {
					if got := r.read(t, spec).Status(); got != job.StatusRunning {
						t.Errorf("reads as %s", got)
					}
					return
				}
				before := r.read(t, spec)
				if before.Status() != job.StatusCanceled {
					t.Errorf("reads as %s", before.Status())
				}
				recover(t, r, spec.ID)
				eventually(t, "the message is removed", func() bool { return !r.queued(t, spec) })
				after := r.read(t, spec)
				if after.Status() != job.StatusCanceled || !after.Record.FinishedAt.Equal(before.Record.FinishedAt.Time) {
					t.Errorf("became %+v", after.Record)
				}
				if step == jobs.StepRecord {
					// The worker is notified late.
					select {
					case <-notified:
					case <-time.After(hang):
						t.Error("the worker was not notified")
					}
				}
				if err := r.Delete(t.Context(), owners, spec.ID); err != nil {
					t.Errorf("delete: %v", err)
				}
			})
		}
	}
}

// TestExpiryStoppedInEachGap stops the process of a reader or of the sweeper after each step of ending an expired job; another
// sweeper takes the remaining steps.
func TestExpiryStoppedInEachGap(t *testing.T) {
	t.Parallel()
	for _, step := range endSteps() {
		for name, first := range map[string]func(*testing.T, *rig, *job.Spec){
			"of a reader": func(t *testing.T, r *rig, spec *job.Spec) {
				t.Helper()
				if _, err := r.crashes(step).Read(t.Context(), []string{"u1"}, spec.ID); !errors.Is(err, errCrash) {
					t.Fatal(err)
				}
			},
			"of a sweeper": func(t *testing.T, r *rig, _ *job.Spec) {
				t.Helper()
				lost := &rig{Service: r.crashes(step), broker: r.broker, queue: r.queue, store: r.store}
				s := lost.sweep(t)
				eventually(t, "the sweeper is stopped", func() bool { return s.log.count(errCrash.Error()) > 0 })
				s.halt(t)
			},
		} {
			t.Run(string(step)+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := start(t)
				spec := r.due(t, -time.Second)
				r.progress(t, spec, job.StatusRunning)
				first(t, r, spec)
				r.expectState(t, spec, stateAfter(step, true))
				before, err := r.store.RecordLeader(t.Context(), "u1", spec.ID)
				if (err == nil) != (step != jobs.StepMedia) {
					t.Fatal(err)
				}
				r.sweep(t)
				if step != jobs.StepUnqueue {
					// The progress of a job that has left the queue expires.
					r.settled(t, spec)
				}
				after := r.read(t, spec)
				if after.Status() != job.StatusFailed || before != nil && !after.Record.FinishedAt.Equal(before.FinishedAt.Time) {
					t.Errorf("became %+v", after.Record)
				}
				if n, err := r.store.DeadLetterCount(t.Context()); err != nil || n != 1 {
					t.Errorf("%d dead letters, %v", n, err)
				}
			})
		}
	}
}

// TestEndOfADeletedJob ends a job that was deleted at that moment: nothing is stored, and its message is removed.
func TestEndOfADeletedJob(t *testing.T) {
	t.Parallel()
	r := start(t)
	spec := r.due(t, -time.Second)
	if err := r.store.Delete(t.Context(), "u1", spec.ID, true); err != nil {
		t.Fatal(err)
	}
	if snap, err := r.Read(t.Context(), []string{"u1"}, spec.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("%+v, %v", snap, err)
	}
	if _, err := r.queue.FindLeader(t.Context(), "u1", spec.ID); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("in the queue: %v", err)
	}
}
