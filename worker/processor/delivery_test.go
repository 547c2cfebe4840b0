package processor_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

func (r *rig) put(s *job.Spec, p *job.Progress) {
	r.Helper()
	p.ID = s.ID
	if _, err := r.Store.PutProgress(r.Context(), s.Owner, p, 0); err != nil {
		r.Fatal(err)
	}
}

// A delivery older than the running one is dropped. The job is redelivered until the delivery count has caught up.
func TestStaleDeliveryIsDropped(t *testing.T) {
	t.Parallel()
	r := newRig(t, withShortWait)
	s := r.Submit(job.KindPrompt)
	r.put(s, &job.Progress{Status: job.StatusRunning, Delivery: 3, Step: 4, Attempt: 2, Counts: job.Counts{Failures: 1}, Worker: "another"})
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		p := r.Progress(c.Task.Spec)
		if p.Delivery != 3 || p.Crashes != 1 || p.Failures != 1 || p.Attempt != 2 {
			return nil, fmt.Errorf("begun with %+v", p)
		}
		return processortest.Succeed(c)
	})
	begun := time.Now()
	r.Start(g, withShortBeat)
	if c := g.WaitCalls(t, 1)[0]; c.At.Sub(begun) < 2*shortWait-shortBeat {
		t.Errorf("a stale delivery ran after %s", c.At.Sub(begun))
	}
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{Failures: 1, Crashes: 1}) {
		t.Errorf("record is %+v", record)
	}
}

// An attempt whose job was delivered to another worker stops: it stores nothing more and does not end the job.
func TestStaleAttemptStops(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hold := newGate(t)
	updated := make(chan error, 1)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if err := hold.pass(c.Ctx); err != nil {
			return nil, err
		}
		updated <- c.Task.SetStage(c.Ctx, job.StageStoring)
		<-c.Ctx.Done()
		return nil, c.Ctx.Err()
	})
	r.Start(g)
	s := r.Submit(job.KindPrompt)
	c := g.WaitCalls(t, 1)[0]
	p, revision, err := r.Store.ProgressLeader(t.Context(), s.Owner, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	p.Delivery, p.Step, p.Worker = 2, 1, "another"
	if _, err := r.Store.PutProgress(t.Context(), s.Owner, p, revision); err != nil {
		t.Fatal(err)
	}
	hold.release()
	if err := <-updated; !errors.Is(err, processor.Causes()["stale"]) {
		t.Errorf("got %v", err)
	}
	awaitDone(c.Ctx, t, "the attempt is canceled")
	if now := r.Progress(s); now.Worker != "another" || now.Stage == job.StageStoring {
		t.Errorf("progress is %+v", now)
	}
	if r.LastMessage(broker.ResultsStream, broker.RecordSubject(s.Owner, s.ID)) != nil {
		t.Error("the job has a record")
	}
}

// If the clock jumped back by two hours, or was wrong when the delay was written, it is checked again every minute.
func TestClockJumpDelaysJobsByAMinuteAtMost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	s := r.Submit(job.KindPrompt)
	r.put(s, &job.Progress{
		Status: job.StatusRetrying, Delivery: 1, Step: 2, Attempt: 1, Counts: job.Counts{Failures: 1},
		NextAttemptAt: job.AtPtr(time.Now().Add(2 * time.Hour)),
	})
	r.Redeliver(s, 1)
	r.Start(processortest.NewGenerator(processortest.Succeed))
	r.Eventually("the job is returned", func() bool { return len(naks(t, acks)) == 2 })
	if delay := naks(t, acks)[1]; delay != time.Minute {
		t.Errorf("returned with a delay of %s, want a minute", delay)
	}
}

// A delay that the broker lost in a restart still holds.
func TestDelayLostByTheBrokerIsKept(t *testing.T) {
	t.Parallel()
	for name, redeliveries := range map[string]int{"count kept": 1, "count lost": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
			s := r.Submit(job.KindPrompt)
			next := time.Now().Add(1500 * time.Millisecond)
			r.put(s, &job.Progress{
				Status: job.StatusRetrying, Delivery: 1, Step: 2, Attempt: 1, Counts: job.Counts{Failures: 1}, NextAttemptAt: job.AtPtr(next),
			})
			r.Redeliver(s, redeliveries)
			g := processortest.NewGenerator(processortest.Succeed)
			r.Start(g)
			if c := g.WaitCalls(t, 1)[0]; c.At.Before(next.Add(-time.Millisecond)) {
				t.Errorf("started %s too early", next.Sub(c.At))
			}
			delays := naks(t, acks)
			if len(delays) != redeliveries+1 || delays[redeliveries] <= 0 || delays[redeliveries] > 1500*time.Millisecond {
				t.Errorf("returned with the delays %v", delays)
			}
			if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{Failures: 1}) || record.Attempt != 2 {
				t.Errorf("record is %+v", record)
			}
		})
	}
}

// Without a progress every earlier delivery counts as a failure, but one attempt is always left.
func TestLostProgress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ deliveries, max, failures int }{
		{0, 3, 0}, {1, 3, 1}, {2, 3, 2}, {5, 3, 2}, {2, 1, 0}, {4, 8, 4}, {3, 0, 0},
	} {
		t.Run(fmt.Sprintf("%d deliveries of at most %d attempts", test.deliveries, test.max), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			s := r.Submit(job.KindPrompt, processortest.MaxAttempts(test.max))
			r.Redeliver(s, test.deliveries)
			g := processortest.NewGenerator(processortest.Succeed)
			r.Start(g)
			record := r.WaitSettled(s)
			if record.Status != job.StatusSucceeded || record.Counts != (job.Counts{Failures: test.failures}) || record.Attempt != test.failures+1 {
				t.Errorf("record is %+v", record)
			}
			if last := g.WaitCalls(t, 1)[0].Task.Last; last != (test.failures+1 >= test.max) {
				t.Errorf("Last is %v", last)
			}
		})
	}
}

// A prompt that an earlier attempt optimized is not optimized again.
func TestOptimizedPromptIsReused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N == 1 {
			if err := c.Task.SetOptimized(c.Ctx, "a better cat", nil); err != nil {
				return nil, err
			}
			return nil, retryable()
		}
		if c.Task.Optimized != "a better cat" {
			return nil, fmt.Errorf("optimized prompt is %q", c.Task.Optimized)
		}
		return processortest.Succeed(c)
	})
	r.Start(g)
	if record := r.WaitSettled(r.Submit(job.KindImage)); record.Status != job.StatusSucceeded || record.Failures != 1 {
		t.Errorf("record is %+v", record)
	}
}

func (r *rig) publish(kind job.Kind, id, data string) *job.Spec {
	r.Helper()
	s := &job.Spec{ID: id, Kind: kind, Lane: job.LaneGuest, Owner: "owner"}
	if _, err := r.Broker.JetStream().Publish(r.Context(), broker.JobSubject(kind, s.Lane, s.Owner, id), []byte(data)); err != nil {
		r.Fatal(err)
	}
	return s
}

// A job that a newer version of the program wrote is returned to the queue with a delay.
func TestJobOfNewerVersionIsReturned(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	id, _, err := jobs.NewID()
	if err != nil {
		t.Fatal(err)
	}
	s := r.publish(job.KindImage, id, `{"v":3,"id":"`+id+`","new":"field"}`)
	g := processortest.NewGenerator(processortest.Succeed)
	r.Start(g)
	r.Eventually("the job is returned", func() bool { return len(naks(t, acks)) > 0 })
	if d := naks(t, acks)[0]; d < time.Second {
		t.Errorf("returned with a delay of %s, want at least a second", d)
	}
	if r.LastMessage(broker.ResultsStream, broker.RecordSubject(s.Owner, s.ID)) != nil || r.DeadLetter(s) != nil || g.Count(id) != 0 {
		t.Error("the job ran or ended")
	}
	if r.LastMessage(broker.StreamJobs, broker.AnyJobSubject(s.Owner, id)) == nil {
		t.Error("the job is gone")
	}
}

// So is a job whose progress or record a newer version wrote.
func TestJobWithNewerStateIsReturned(t *testing.T) {
	t.Parallel()
	for name, subject := range map[string]func(owner, id string) string{"progress": broker.ProgressSubject, "record": broker.RecordSubject} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
			s := processortest.NewSpec(t, job.KindPrompt)
			if _, err := r.Broker.JetStream().Publish(t.Context(), subject(s.Owner, s.ID), []byte(`{"v":3}`)); err != nil {
				t.Fatal(err)
			}
			g := processortest.NewGenerator(processortest.Succeed)
			r.Start(g)
			if _, err := r.Queue.Push(t.Context(), s, false); err != nil {
				t.Fatal(err)
			}
			r.Eventually("the job is returned", func() bool { return len(naks(t, acks)) > 0 })
			if d := naks(t, acks)[0]; d < time.Second || g.Count(s.ID) != 0 {
				t.Errorf("returned with a delay of %s after %d calls", d, g.Count(s.ID))
			}
		})
	}
}

// A message that cannot be decoded becomes a failed job with a dead letter.
func TestUnreadableJobFails(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := processortest.NewGenerator(processortest.Succeed)
	w := r.Start(g)
	for name, data := range map[string]string{
		"garbage": "\x00\x01 not JSON", "empty": "", "no version": `{}`, "unknown kind": `{"v":1,"kind":"opera"}`,
		"incomplete": `{"v":1,"kind":"image","lane":"guest","owner":"owner"}`, "wrong types": `{"v":1,"id":7}`,
	} {
		t.Run(name, func(t *testing.T) {
			r := onBroker(t, r.Broker)
			id, _, err := jobs.NewID()
			if err != nil {
				t.Fatal(err)
			}
			s := r.publish(job.KindAudio, id, data)
			record := r.WaitSettled(s)
			if record.Status != job.StatusFailed || record.Error.Code != job.CodeInvalidJob || record.Attempt != 0 || record.Spec.ID != id {
				t.Errorf("record is %+v", record)
			}
			if d := r.DeadLetter(s); d == nil || d.Error.Code != job.CodeInvalidJob || d.Detail == "" {
				t.Errorf("dead letter is %+v", d)
			}
		})
	}
	if len(g.WaitCalls(t, 0)) != 0 {
		t.Error("the generator was called")
	}
	if counter(t, w.Metrics.DeadLetters.WithLabelValues("audio", job.CodeInvalidJob)) != 6 {
		t.Error("the dead letters are not counted")
	}
}

// A panic in a generator crashes only its attempt.
func TestPanicInAGenerator(t *testing.T) {
	t.Parallel()
	r := newRig(t, withShortWait)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N == 1 {
			panic("panic of the test")
		}
		return processortest.Succeed(c)
	})
	w := r.Start(g, withShortBeat, func(c *processor.Config) { c.SlotsText = 1 })
	s := r.Submit(job.KindPrompt)
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{Crashes: 1}) {
		t.Errorf("record is %+v", record)
	}
	if counter(t, w.Metrics.Panics.WithLabelValues("processor")) != 1 {
		t.Error("the panic is not counted")
	}
	log := w.Log.String()
	if !strings.Contains(log, "panic of the test") || !strings.Contains(log, "stack=") {
		t.Errorf("the panic is not logged: %s", log)
	}
}
