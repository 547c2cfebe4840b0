package processor_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
)

// hangs is a generator that never answers by itself.
func hangs() *fake {
	return newFake(func(c call) (*job.Result, error) {
		<-c.ctx.Done()
		return nil, c.ctx.Err()
	})
}

// crash runs a worker on a connection of its own and cuts it off once it works the job.
func (r *rig) crash() {
	r.Helper()
	b := dial(r.T, r.broker.ClientURL())
	g := hangs()
	w := startOn(r.T, b, g, withShortBeat)
	c := g.wait(r.T, 1)[0]
	b.Conn().Close()
	awaitDone(c.ctx, r.T, "a worker that was cut off breaks its attempt off")
	w.stop()
}

func TestWorkerLostInACall(t *testing.T) {
	t.Parallel()
	r := newRig(t, withShortWait, withPort)
	s := r.submit(job.KindPrompt)
	r.crash()
	g := newFake(succeed)
	w := r.start(g)
	c := g.wait(t, 1)[0]
	if c.task.Spec.ID != s.ID || c.task.Last {
		t.Errorf("task is %+v", c.task)
	}
	record := r.settled(s)
	if record.Status != job.StatusSucceeded || record.Counts != (job.Counts{Crashes: 1}) || record.Attempt != 1 {
		t.Errorf("record is %+v", record)
	}
	if counter(t, w.metrics.Attempts.WithLabelValues("prompt", "crash")) != 1 {
		t.Error("the crash is not the counted reason of the attempt")
	}
}

func TestJobThatLosesItsWorkers(t *testing.T) {
	const most = 5
	t.Parallel()
	r := newRig(t, withShortWait, withPort)
	s := r.submit(job.KindPrompt)
	for n := range most {
		r.crash()
		if p := r.progress(s); p.Crashes != n || p.Status != job.StatusRunning || p.Failures != 0 {
			t.Fatalf("after %d crashes the progress is %+v", n+1, p)
		}
	}
	g := newFake(succeed)
	r.start(g)
	record := r.settled(s)
	if record.Status != job.StatusFailed || record.Error.Code != job.CodeWorkerLost || record.Crashes != most || record.Failures != 0 {
		t.Errorf("record is %+v, error %+v", record, record.Error)
	}
	if d := r.dead(s); d == nil || d.Error.Code != job.CodeWorkerLost || d.Crashes != most {
		t.Errorf("dead letter is %+v", d)
	}
	if g.count(s.ID) != 0 {
		t.Error("the generator was called once more")
	}
}

// A worker that is stopped hands its jobs back at once, long before they would come back by themselves.
func TestShutdownIsNoFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := hangs()
	w := r.start(first)
	jobs := []*job.Spec{r.submit(job.KindImage), r.submit(job.KindAudio), r.submit(job.KindPrompt)}
	for _, c := range first.wait(t, len(jobs)) {
		if c.ctx.Err() != nil {
			t.Fatal("broken off too early")
		}
	}
	second := newFake(succeed)
	r.start(second)
	begun := time.Now()
	w.stop()
	for _, c := range second.wait(t, len(jobs)) {
		if took := c.at.Sub(begun); took > broker.DefaultAckWait/2 {
			t.Errorf("another worker took the job after %s only", took)
		}
	}
	for _, s := range jobs {
		if record := r.settled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) || record.Attempt != 1 {
			t.Errorf("record is %+v", record)
		}
	}
}

// A stop waits for what is about to be done.
func TestShutdownLetsAttemptsFinish(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := newGate(t)
	f := newFake(func(c call) (*job.Result, error) {
		if err := g.pass(c.ctx); err != nil {
			return nil, err
		}
		return succeed(c)
	})
	w := r.start(f, func(c *processor.Config) { c.SoftStop = patience })
	s := r.submit(job.KindPrompt)
	f.wait(t, 1)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.stop()
	}()
	// The announcement is taken back when the stop begins.
	r.eventually("the worker is withdrawn", func() bool {
		workers, err := r.queue.Workers(t.Context())
		return err == nil && len(workers) == 0
	})
	select {
	case <-stopped:
		t.Fatal("the stop did not wait")
	default:
	}
	g.release()
	<-stopped
	if record := r.settled(s); record.Status != job.StatusSucceeded || f.count(s.ID) != 1 {
		t.Errorf("record is %+v after %d calls", record, f.count(s.ID))
	}
}

// A job that reaches a worker at the very moment of its stop is neither lost nor counted.
func TestShutdownBeforeTheAttemptHandsBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.start(hangs(), func(c *processor.Config) { c.SoftStop = 0 }, withOneSlot)
	idle := r.spy("$JS.API.CONSUMER.MSG.NEXT." + broker.StreamJobs + ".>")
	r.eventually("the worker is idle", func() bool { return len(idle.seen()) > 6 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- w.Stop(ctx) }()
	r.eventually("the worker is withdrawn", func() bool {
		workers, err := r.queue.Workers(t.Context())
		return err == nil && len(workers) == 0
	})
	var jobs []*job.Spec
	for _, kind := range job.Kinds() {
		for _, lane := range job.Lanes() {
			jobs = append(jobs, r.submit(kind, func(s *job.Spec) { s.Lane = lane }))
		}
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	g := newFake(succeed)
	r.start(g)
	for _, s := range jobs {
		if record := r.settled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) {
			t.Errorf("record is %+v", record)
		}
	}
	if took := time.Since(begun); took > broker.DefaultAckWait/2 {
		t.Errorf("the jobs came back after %s only", took)
	}
}

// A worker that is cut off behind the last step has nothing left to do, and does not say that the job comes back.
func TestWorkerLostBehindTheLastStep(t *testing.T) {
	t.Parallel()
	r := newRig(t, withPort)
	b := dial(t, r.broker.ClientURL())
	w := startOn(t, b, newFake(succeed), func(c *processor.Config) {
		c.AfterStep = func(at processor.Step) error {
			if at == processor.StepAck {
				b.Conn().Close()
			}
			return nil
		}
	})
	s := r.submit(job.KindPrompt)
	if record := r.ended(s); record.Status != job.StatusSucceeded {
		t.Errorf("record is %+v", record)
	}
	r.eventually("the job leaves the queue", func() bool { return !r.queued(s) })
	w.stop()
	if log := w.log.String(); strings.Contains(log, "left for redelivery") {
		t.Errorf("the log is wrong: %s", log)
	}
}
