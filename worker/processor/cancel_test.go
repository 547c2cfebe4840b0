package processor_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// A cancel ends the call at once. The heartbeat is too slow here to notice it first.
func TestCancelEndsTheCall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := hangs()
	r.Start(g, func(c *processor.Config) { c.SetHeartbeat(time.Hour) })
	s := r.Submit(job.KindPrompt)
	c := g.WaitCalls(t, 1)[0]
	begun := time.Now()
	if _, err := r.Jobs.Cancel(t.Context(), []string{s.Owner}, s.ID); err != nil {
		t.Fatal(err)
	}
	awaitDone(c.Ctx, t, "the call is canceled")
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
	record := r.WaitSettled(s)
	if record.Status != job.StatusCanceled || record.Cancel != job.CancelWhileRunning || r.DeadLetter(s) != nil {
		t.Errorf("record is %+v", record)
	}
}

// The notification of a cancel may be lost, so a worker also checks with its heartbeats.
func TestCancelWithoutNotification(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := hangs()
	r.Start(g, func(c *processor.Config) { c.SetHeartbeat(200 * time.Millisecond) })
	s := r.Submit(job.KindPrompt)
	c := g.WaitCalls(t, 1)[0]
	record := &job.Record{Status: job.StatusCanceled, Spec: s, FinishedAt: job.At(time.Now()), Cancel: job.CancelWhileRunning}
	if _, _, err := r.Store.PutRecord(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	awaitDone(c.Ctx, t, "the call is canceled")
	if got := r.WaitRecord(s); got.Status != job.StatusCanceled {
		t.Errorf("record is %+v", got)
	}
}

// A notification about another job, or about an unknown one, changes nothing.
func TestCancelOfAnotherJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hold := newGate(t)
	g := hold.generator()
	r.Start(g)
	one, other := r.Submit(job.KindPrompt), r.Submit(job.KindTranslation)
	g.WaitCalls(t, 2)
	if err := r.Queue.AnnounceCancel("unknown"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Jobs.Cancel(t.Context(), []string{other.Owner}, other.ID); err != nil {
		t.Fatal(err)
	}
	r.WaitSettled(other)
	hold.release()
	if record := r.WaitSettled(one); record.Status != job.StatusSucceeded || g.Count(one.ID) != 1 {
		t.Errorf("record is %+v", record)
	}
}

// A job that is canceled while it waits for its next attempt gets no further call.
func TestCancelWhileRetrying(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := processortest.Always(throttled(time.Second))
	r.Start(g)
	s := r.Submit(job.KindPrompt)
	r.WaitProgress(s, "the job waits", func(p *job.Progress) bool { return p.Status == job.StatusRetrying })
	if _, err := r.Jobs.Cancel(t.Context(), []string{s.Owner}, s.ID); err != nil {
		t.Fatal(err)
	}
	if record := r.WaitSettled(s); record.Status != job.StatusCanceled || record.Throttles != 1 {
		t.Errorf("record is %+v", record)
	}
	inFlight := func() int {
		states, err := r.Queue.States(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, lane := range states {
			n += lane.InFlight
		}
		return n
	}
	r.Eventually("no job is in flight", func() bool { return inFlight() == 0 })
	if g.Count(s.ID) != 1 {
		t.Errorf("%d calls", g.Count(s.ID))
	}
}

// The first of a cancel and a completion decides, and the outcome does not change.
func TestCancelRacesWithCompletion(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	gates := &sync.Map{}
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		hold, _ := gates.LoadOrStore(c.Task.Spec.ID, make(chan struct{}))
		select {
		case <-hold.(chan struct{}):
		case <-c.Ctx.Done():
			return nil, c.Ctx.Err()
		}
		return processortest.Succeed(c)
	})
	r.Start(g)
	const rounds = 80
	succeeded, canceled := 0, 0
	for n := range rounds {
		s := r.Submit(job.KindAudio)
		hold, _ := gates.LoadOrStore(s.ID, make(chan struct{}))
		g.WaitCalls(t, n+1)
		go func() {
			spin(rand.IntN(400))
			close(hold.(chan struct{}))
		}()
		_, err := r.Jobs.Cancel(t.Context(), []string{s.Owner}, s.ID)
		record := r.WaitSettled(s)
		switch {
		case err == nil && record.Status == job.StatusCanceled:
			canceled++
		case errors.Is(err, jobs.ErrFinished) && record.Status == job.StatusSucceeded:
			succeeded++
		default:
			t.Fatalf("cancel returned %v, the job is %s", err, record.Status)
		}
	}
	t.Logf("%d succeeded, %d canceled", succeeded, canceled)
	if canceled == 0 {
		t.Error("no cancel came first")
	}
}

// spin waits for n round trips of the scheduler, which takes less time than the shortest sleep.
func spin(n int) {
	for range n {
		done := make(chan struct{})
		go close(done)
		<-done
	}
}

// A cancel that stops halfway leaves a message in the queue, which is removed without a call.
func TestMessageOfACanceledJobIsRemoved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.Submit(job.KindPrompt)
	record := &job.Record{Status: job.StatusCanceled, Spec: s, FinishedAt: job.At(time.Now()), Cancel: job.CancelBeforeStart}
	if _, _, err := r.Store.PutRecord(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	g := processortest.NewGenerator(processortest.Succeed)
	r.Start(g)
	r.Eventually("the message is gone", func() bool { return !r.Queued(s) })
	if g.Count(s.ID) != 0 {
		t.Errorf("%d calls", g.Count(s.ID))
	}
	if _, err := r.Queue.FindLeader(t.Context(), s.Owner, s.ID); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, _, err := r.Store.ProgressLeader(t.Context(), s.Owner, s.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// A job that was canceled and deleted during a call is not stored again.
func TestJobDeletedDuringACall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hold := newGate(t)
	g := hold.generator()
	acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	r.Start(g, func(c *processor.Config) { c.SetHeartbeat(time.Hour) })
	s := r.Submit(job.KindAudio)
	g.WaitCalls(t, 1)
	// As the API does it, except for the notification, which is lost.
	record := &job.Record{Status: job.StatusCanceled, Spec: s, FinishedAt: job.At(time.Now()), Cancel: job.CancelWhileRunning}
	if _, _, err := r.Store.PutRecord(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	entry, err := r.Queue.FindLeader(t.Context(), s.Owner, s.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(
		r.Queue.Delete(t.Context(), entry.Sequence),
		r.Store.DeleteProgress(t.Context(), s.Owner, s.ID),
		r.Jobs.Delete(t.Context(), []string{s.Owner}, s.ID),
	); err != nil {
		t.Fatal(err)
	}
	hold.release()
	r.Eventually("the worker is done", func() bool { return acks.count(func(m *nats.Msg) bool { return string(m.Data) == "+ACK" }) > 0 })
	r.Eventually("the progress is dropped", func() bool { return r.Progress(s) == nil })
	if _, err := r.Store.RecordLeader(t.Context(), s.Owner, s.ID); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("record: got %v, want store.ErrNotFound", err)
	}
	if _, err := r.Store.MediaInfo(t.Context(), s.Owner, s.ID, 0); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("medium: got %v, want store.ErrNotFound", err)
	}
	if g.Count(s.ID) != 1 {
		t.Errorf("%d calls", g.Count(s.ID))
	}
}
