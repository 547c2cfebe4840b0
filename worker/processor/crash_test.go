package processor_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// hangs returns a generator whose calls last until their context ends.
func hangs() *processortest.Generator {
	return processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		<-c.Ctx.Done()
		return nil, c.Ctx.Err()
	})
}

// crash runs a worker on its own connection and closes the connection once the worker runs the job.
func (r *rig) crash() {
	r.Helper()
	b := processortest.Dial(r.T, r.Broker.ClientURL())
	g := hangs()
	w := processortest.StartOn(r.T, b, g, withShortBeat)
	c := g.WaitCalls(r.T, 1)[0]
	b.Conn().Close()
	awaitDone(c.Ctx, r.T, "a disconnected worker cancels its attempt")
	w.Shutdown()
}

func TestWorkerLostInACall(t *testing.T) {
	t.Parallel()
	r := newRig(t, withShortWait, withPort)
	s := r.Submit(job.KindPrompt)
	r.crash()
	g := processortest.NewGenerator(processortest.Succeed)
	w := r.Start(g)
	c := g.WaitCalls(t, 1)[0]
	if c.Task.Spec.ID != s.ID || c.Task.Last {
		t.Errorf("task is %+v", c.Task)
	}
	record := r.WaitSettled(s)
	if record.Status != job.StatusSucceeded || record.Counts != (job.Counts{Crashes: 1}) || record.Attempt != 1 {
		t.Errorf("record is %+v", record)
	}
	if counter(t, w.Metrics.Attempts.WithLabelValues("prompt", "crash")) != 1 {
		t.Error("the attempt is not counted with the reason crash")
	}
}

func TestJobThatCrashesWorkersFails(t *testing.T) {
	const most = 5
	t.Parallel()
	r := newRig(t, withShortWait, withPort)
	s := r.Submit(job.KindPrompt)
	for n := range most {
		r.crash()
		if p := r.Progress(s); p.Crashes != n || p.Status != job.StatusRunning || p.Failures != 0 {
			t.Fatalf("after %d crashes the progress is %+v", n+1, p)
		}
	}
	g := processortest.NewGenerator(processortest.Succeed)
	r.Start(g)
	record := r.WaitSettled(s)
	if record.Status != job.StatusFailed || record.Error.Code != job.CodeWorkerLost || record.Crashes != most || record.Failures != 0 {
		t.Errorf("record is %+v, error %+v", record, record.Error)
	}
	if d := r.DeadLetter(s); d == nil || d.Error.Code != job.CodeWorkerLost || d.Crashes != most {
		t.Errorf("dead letter is %+v", d)
	}
	if g.Count(s.ID) != 0 {
		t.Error("the generator was called once more")
	}
}

// A worker that stops returns its jobs to the queue at once, long before AckWait.
func TestShutdownDoesNotCountAsFailure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	first := hangs()
	w := r.Start(first)
	jobs := []*job.Spec{r.Submit(job.KindImage), r.Submit(job.KindAudio), r.Submit(job.KindPrompt)}
	for _, c := range first.WaitCalls(t, len(jobs)) {
		if c.Ctx.Err() != nil {
			t.Fatal("canceled too early")
		}
	}
	second := processortest.NewGenerator(processortest.Succeed)
	r.Start(second)
	begun := time.Now()
	w.Shutdown()
	for _, c := range second.WaitCalls(t, len(jobs)) {
		if took := c.At.Sub(begun); took > broker.DefaultAckWait/2 {
			t.Errorf("another worker got the job only after %s", took)
		}
	}
	for _, s := range jobs {
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) || record.Attempt != 1 {
			t.Errorf("record is %+v", record)
		}
	}
}

// A stop waits for running attempts.
func TestShutdownLetsAttemptsFinish(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := newGate(t)
	f := g.generator()
	w := r.Start(f, func(c *processor.Config) { c.SoftStop = processortest.Timeout })
	s := r.Submit(job.KindPrompt)
	f.WaitCalls(t, 1)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		w.Shutdown()
	}()
	// The worker deregisters when the stop begins.
	r.Eventually("the worker deregisters", func() bool {
		workers, err := r.Control.Workers(t.Context())
		return err == nil && len(workers) == 0
	})
	select {
	case <-stopped:
		t.Fatal("the stop did not wait")
	default:
	}
	g.release()
	<-stopped
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || f.Count(s.ID) != 1 {
		t.Errorf("record is %+v after %d calls", record, f.Count(s.ID))
	}
}

// A job that reaches a worker while it stops is neither lost nor counted as a failure.
func TestShutdownBeforeTheAttemptReturnsTheJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.Start(hangs(), func(c *processor.Config) { c.SoftStop = 0 }, withOneSlot)
	idle := r.spy("$JS.API.CONSUMER.MSG.NEXT." + broker.StreamJobs + ".>")
	r.Eventually("the worker is idle", func() bool { return len(idle.seen()) > 6 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- w.Stop(ctx) }()
	r.Eventually("the worker deregisters", func() bool {
		workers, err := r.Control.Workers(t.Context())
		return err == nil && len(workers) == 0
	})
	var jobs []*job.Spec
	for _, kind := range job.Kinds() {
		for _, lane := range job.Lanes() {
			jobs = append(jobs, r.Submit(kind, func(s *job.Spec) { s.Lane = lane }))
		}
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	g := processortest.NewGenerator(processortest.Succeed)
	r.Start(g)
	for _, s := range jobs {
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) {
			t.Errorf("record is %+v", record)
		}
	}
	if took := time.Since(begun); took > broker.DefaultAckWait/2 {
		t.Errorf("the jobs were redelivered only after %s", took)
	}
}

// A worker that loses its connection after the last step is done, and does not log a redelivery.
func TestWorkerLostAfterTheLastStep(t *testing.T) {
	t.Parallel()
	r := newRig(t, withPort)
	b := processortest.Dial(t, r.Broker.ClientURL())
	w := processortest.StartOn(t, b, processortest.NewGenerator(processortest.Succeed), func(c *processor.Config) {
		c.SetAfterStep(func(at processor.Step) error {
			if at == processor.StepAck {
				b.Conn().Close()
			}
			return nil
		})
	})
	s := r.Submit(job.KindPrompt)
	if record := r.WaitRecord(s); record.Status != job.StatusSucceeded {
		t.Errorf("record is %+v", record)
	}
	r.Eventually("the job leaves the queue", func() bool { return !r.Queued(s) })
	w.Shutdown()
	if log := w.Log.String(); strings.Contains(log, "left for redelivery") {
		t.Errorf("a redelivery is logged: %s", log)
	}
}
