package processor_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs/jobstest"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// submitNew submits a job as the API does whose store the worker shares.
func (r *rig) submitNew() *job.Spec {
	r.Helper()
	s := processortest.NewSpec(r, job.KindPrompt)
	r.Store.AddNew(s.ID)
	if _, _, err := r.Jobs.Enqueue(r.Context(), s, false); err != nil {
		r.Fatal(err)
	}
	return s
}

func withHeldProgress(c *processor.Config)     { c.SetProgressDelay(time.Hour) }
func withReleasedProgress(c *processor.Config) { c.SetProgressDelay(time.Millisecond) }

// stored returns the progress of a job that is in NATS, nil if there is none.
func (r *rig) stored(s *job.Spec) *job.Progress {
	r.Helper()
	other := jobstest.On(r, r.Broker)
	p, _, err := other.Store.ProgressLeader(r.Context(), s.Owner, s.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		r.Fatal(err)
	}
	return p
}

// requests returns a function that counts the messages on the subjects since then.
func (r *rig) requests(subjects ...string) func() int {
	r.Helper()
	var all []*nats.Subscription
	for _, subject := range subjects {
		sub := brokertest.Subscribe(r, r.Broker.Conn(), subject)
		all = append(all, sub)
	}
	count := func() (n int) {
		r.Helper()
		// What was published before is here when the answer is.
		if err := r.Broker.Conn().Flush(); err != nil {
			r.Fatal(err)
		}
		for _, sub := range all {
			pending, _, err := sub.Pending()
			if err != nil {
				r.Fatal(err)
			}
			n += pending
		}
		return n
	}
	count()
	return count
}

// progressRequests counts the messages about the progress of jobs.
func (r *rig) progressRequests() func() int {
	r.Helper()
	return r.requests("$KV."+broker.BucketProgress+".>", "$JS.API.STREAM.PURGE."+broker.ProgressStream)
}

// The progress of a job that ends soon costs no request. The API in the same process sees that the job runs.
func TestProgressIsHeldBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	requests := r.progressRequests()
	hold := newGate(t)
	g := hold.generator()
	r.StartInside(g, withHeldProgress)
	s := r.Submit(job.KindPrompt)
	c := g.WaitCalls(t, 1)[0]
	if p := r.Progress(s); p == nil || p.Status != job.StatusRunning || p.Step != 1 {
		t.Errorf("progress at the start is %+v", p)
	}
	if err := c.Task.SetStage(c.Ctx, job.StageGenerating); err != nil {
		t.Fatal(err)
	}
	p := r.Progress(s)
	if p == nil || p.Status != job.StatusRunning || p.Stage != job.StageGenerating || p.Attempt != 1 || p.Delivery != 1 || p.Step != 2 || p.StartedAt == nil {
		t.Fatalf("progress is %+v", p)
	}
	if p, _, err := r.Store.Progress(t.Context(), s.Owner, s.ID); err != nil || p.Status != job.StatusRunning {
		t.Errorf("progress is %+v, %v", p, err)
	}
	if list, err := r.Store.Progresses(t.Context(), s.Owner, []string{s.ID}); err != nil || list[s.ID] == nil {
		t.Errorf("progress in a list is %v, %v", list, err)
	}
	hold.release()
	record := r.WaitSettled(s)
	if record.Status != job.StatusSucceeded || record.Attempt != 1 || record.StartedAt == nil || !record.StartedAt.Equal(p.StartedAt.Time) {
		t.Errorf("record is %+v", record)
	}
	if n := requests(); n != 0 {
		t.Errorf("%d requests for the progress", n)
	}
}

// The progress of a job that takes longer is stored with all that was held back, and removed at its end.
func TestHeldProgressIsReleased(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hold := newGate(t)
	g := hold.generator()
	r.StartInside(g, withReleasedProgress)
	s := r.Submit(job.KindPrompt)
	c := g.WaitCalls(t, 1)[0]
	if err := c.Task.SetStage(c.Ctx, job.StageStoring); err != nil {
		t.Fatal(err)
	}
	r.Eventually("the progress is stored", func() bool { p := r.stored(s); return p != nil && p.Stage == job.StageStoring })
	if err := c.Task.SetStage(c.Ctx, job.StageGenerating); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*job.Progress{r.stored(s), r.Progress(s)} {
		if p == nil || p.Stage != job.StageGenerating || p.Attempt != 1 || p.Delivery != 1 {
			t.Errorf("progress is %+v", p)
		}
	}
	hold.release()
	r.WaitSettled(s)
	r.Eventually("the progress is removed", func() bool { return r.stored(s) == nil })
}

// An attempt that fails while its progress is held back counts as one.
func TestFailureWhileProgressIsHeldBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := after(throttled(0), retryable())
	r.StartInside(g, withHeldProgress)
	s := r.Submit(job.KindImage)
	record := r.WaitSettled(s)
	if want := (job.Counts{Failures: 1, Throttles: 1}); record.Counts != want || record.Attempt != 2 || g.Count(s.ID) != 3 {
		t.Errorf("%d calls, record %+v", g.Count(s.ID), record)
	}
	if r.stored(s) != nil {
		t.Error("the progress of the ended job is stored")
	}
}

// A panic while the progress is held back counts as a crash, not as a failure of the job.
func TestPanicWhileProgressIsHeldBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, withShortWait)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N == 1 {
			panic("panic of the test")
		}
		return processortest.Succeed(c)
	})
	r.StartInside(g, withHeldProgress, withShortBeat)
	s := r.Submit(job.KindPrompt)
	record := r.WaitSettled(s)
	if want := (job.Counts{Crashes: 1}); record.Counts != want || record.Attempt != 1 || g.Count(s.ID) != 2 {
		t.Errorf("%d calls, record %+v", g.Count(s.ID), record)
	}
}

// A job that is canceled while its progress is held back was running.
func TestCancelWhileProgressIsHeldBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	requests := r.progressRequests()
	g := hangs()
	r.StartInside(g, withHeldProgress, func(c *processor.Config) { c.SetHeartbeat(time.Hour) })
	s := r.Submit(job.KindPrompt)
	c := g.WaitCalls(t, 1)[0]
	if _, err := r.Jobs.Cancel(t.Context(), []string{s.Owner}, s.ID); err != nil {
		t.Fatal(err)
	}
	awaitDone(c.Ctx, t, "the call is canceled")
	record := r.WaitSettled(s)
	if record.Status != job.StatusCanceled || record.Cancel != job.CancelWhileRunning || record.Attempt != 1 || record.StartedAt == nil {
		t.Errorf("record is %+v", record)
	}
	if n := requests(); n != 1 {
		t.Errorf("%d requests for the progress, want that of the cancel", n)
	}
}

// What a canceled job would have stored later is not left behind.
func TestCancelLeavesNoHeldProgress(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := hangs()
	w := r.StartInside(g, func(c *processor.Config) {
		c.SetHeartbeat(time.Hour)
		c.SetProgressDelay(20 * time.Millisecond)
	})
	var canceled []*job.Spec
	for range 20 {
		s := r.Submit(job.KindPrompt)
		c := g.WaitCalls(t, len(canceled)+1)[len(canceled)]
		if _, err := r.Jobs.Cancel(t.Context(), []string{s.Owner}, s.ID); err != nil {
			t.Fatal(err)
		}
		awaitDone(c.Ctx, t, "the call is canceled")
		canceled = append(canceled, s)
	}
	w.Shutdown()
	for _, s := range canceled {
		r.Eventually("the progress of a canceled job is removed", func() bool { return r.stored(s) == nil })
	}
}

// Whoever follows a job is told of its start at once.
func TestWatchedProgressIsStored(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hold := newGate(t)
	g := hold.generator()
	s := processortest.NewSpec(r, job.KindPrompt)
	r.Watched = func(owner, id string) bool { return owner == s.Owner && id == s.ID }
	r.StartInside(g, withHeldProgress)
	if _, _, err := r.Jobs.Enqueue(t.Context(), s, false); err != nil {
		t.Fatal(err)
	}
	g.WaitCalls(t, 1)
	if p := r.stored(s); p == nil || p.Status != job.StatusRunning {
		t.Errorf("progress is %+v", p)
	}
	hold.release()
	r.WaitSettled(s)
	if p := r.stored(s); p != nil {
		t.Errorf("progress after the end is %+v", p)
	}
}

// A job that is returned at a shutdown while its progress is held back has not failed.
func TestShutdownWhileProgressIsHeldBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := hangs()
	first := r.StartInside(g, withHeldProgress)
	s := r.Submit(job.KindPrompt)
	g.WaitCalls(t, 1)
	first.Shutdown()
	if p := r.stored(s); p == nil || p.Status != job.StatusRetrying || p.Counts != (job.Counts{}) {
		t.Errorf("progress is %+v", p)
	}
	r.StartInside(processortest.NewGenerator(processortest.Succeed), withHeldProgress)
	if record := r.WaitSettled(s); record.Counts != (job.Counts{}) || record.Attempt != 1 {
		t.Errorf("record is %+v", record)
	}
}

// A job that is deleted while its progress is held back is not found.
func TestDeletionWhileProgressIsHeldBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hold := newGate(t)
	g := hold.generator()
	r.StartInside(g, withHeldProgress)
	s := r.Submit(job.KindPrompt)
	g.WaitCalls(t, 1)
	if err := r.Store.Delete(t.Context(), s.Owner, s.ID, true); err != nil {
		t.Fatal(err)
	}
	if p := r.Progress(s); p != nil {
		t.Errorf("progress is %+v", p)
	}
	hold.release()
	r.Eventually("the job leaves the queue", func() bool { return !r.Queued(s) })
}

// The first delivery of a job that the same process has created needs no look for its record.
func TestNewJobNeedsNoRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	reads := r.requests("$JS.API.DIRECT.GET."+broker.ResultsStream+".>", "$JS.API.STREAM.MSG.GET."+broker.ResultsStream)
	hold := newGate(t)
	g := hold.generator()
	r.StartInside(g, withHeldProgress)
	s := r.submitNew()
	g.WaitCalls(t, 1)
	if n := reads(); n != 0 {
		t.Errorf("%d reads of the record", n)
	}
	hold.release()
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded {
		t.Errorf("record is %+v", record)
	}
}

// A new job that was ended before its first delivery does not run. Its end was interrupted before it left the queue.
func TestEndedNewJobDoesNotRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.submitNew()
	record := &job.Record{Status: job.StatusCanceled, Spec: s, FinishedAt: job.At(time.Now()), Cancel: job.CancelBeforeStart}
	if _, _, err := r.Store.PutRecord(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	g := processortest.NewGenerator(processortest.Succeed)
	r.StartInside(g, withHeldProgress)
	if got := r.WaitSettled(s); got.Status != job.StatusCanceled || g.Count(s.ID) != 0 {
		t.Errorf("%d calls, record %+v", g.Count(s.ID), got)
	}
}

// Nor does one that another worker has ended, which gets the job before this one.
func TestNewJobEndedElsewhereDoesNotRun(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := r.submitNew()
	r.Redeliver(s, 1)
	record := &job.Record{Status: job.StatusSucceeded, Spec: s, FinishedAt: job.At(time.Now()), Result: &job.Result{Text: "a fox"}}
	if _, _, err := jobstest.On(t, r.Broker).Store.PutRecord(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	g := processortest.NewGenerator(processortest.Succeed)
	r.StartInside(g, withHeldProgress)
	if got := r.WaitSettled(s); got.Result == nil || got.Result.Text != "a fox" || g.Count(s.ID) != 0 {
		t.Errorf("%d calls, record %+v", g.Count(s.ID), got)
	}
}
