package processor_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

func inFlight(states []queue.LaneState, kind job.Kind) int {
	n := 0
	for _, state := range states {
		if state.Kind == kind {
			n += state.InFlight
		}
	}
	return n
}

func gauge(t *testing.T, w *processortest.Worker, pool, state string) float64 {
	t.Helper()
	families, err := w.Metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "text2image_worker_slots" {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := make(map[string]string)
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["pool"] == pool && labels["state"] == state {
				return m.GetGauge().GetValue()
			}
		}
	}
	return math.NaN()
}

func TestWorkerAnnouncesItself(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.Start(processortest.NewGenerator(processortest.Succeed), func(c *processor.Config) { c.SlotsImage, c.SlotsAudio, c.SlotsText = 3, 4, 5 })
	workers := func() []control.Worker {
		list, err := r.Control.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	r.Eventually("the worker is announced", func() bool { return len(workers()) == 1 })
	got := workers()[0]
	want := map[job.Kind]int{job.KindImage: 3, job.KindAudio: 4, job.KindPrompt: 5, job.KindTranslation: 5}
	if got.ID != w.ID() || got.Mode != "simulator" || got.Version != "test" || got.StartedAt.IsZero() || len(got.RunSeconds) != 0 {
		t.Errorf("announced %+v", got)
	}
	for kind, slots := range want {
		if got.Slots[kind] != slots {
			t.Errorf("%d slots for %s", got.Slots[kind], kind)
		}
	}
	w.Measure(job.KindImage, 10*time.Second)
	w.Measure(job.KindImage, 20*time.Second)
	w.Measure(job.KindAudio, 2*time.Second)
	r.WaitSettled(r.Submit(job.KindPrompt))
	// The first run of a kind, and an average that changes, do not wait for the next announcement.
	begun := time.Now()
	var run map[job.Kind]float64
	r.Eventually("the run times are announced", func() bool { run = workers()[0].RunSeconds; return run[job.KindPrompt] > 0 })
	if run[job.KindImage] != 15 || run[job.KindAudio] != 2 {
		t.Errorf("run times are %v", run)
	}
	for range 100 {
		w.Measure(job.KindImage, 30*time.Second)
	}
	r.Eventually("the new average is announced", func() bool { run = workers()[0].RunSeconds; return run[job.KindImage] > 25 })
	if took := time.Since(begun); took > control.HeartbeatInterval*8/10 {
		t.Errorf("announced after %s", took)
	}
	if run[job.KindImage] > 30 {
		t.Errorf("run times are %v", run)
	}
	if _, ok := run[job.KindTranslation]; ok {
		t.Error("a run time for a kind that did not run")
	}
	w.Shutdown()
	if list := workers(); len(list) != 0 {
		t.Errorf("still announced: %+v", list)
	}
}

func TestStopBeforeStart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := processortest.NewWorker(t, r.Broker, processortest.NewGenerator(processortest.Succeed))
	if err := w.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStopTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := r.Start(processortest.NewGenerator(processortest.Succeed))
	for range 2 {
		if err := w.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// An idle worker in the process of the API does not wait for its pulls when it stops, and the next one gets the jobs.
func TestStopEndsPulls(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := processortest.NewGenerator(processortest.Succeed)
	w := r.StartInside(g, func(c *processor.Config) { c.SetIdleWait(24 * time.Hour) })
	r.Eventually("every slot pulls", func() bool { _, pulls := r.load(job.KindImage); return pulls == 2 })
	ctx, cancel := context.WithTimeout(t.Context(), processortest.Timeout)
	defer cancel()
	if err := w.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	for _, kind := range job.Kinds() {
		if _, pulls := r.load(kind); pulls > 0 {
			t.Errorf("%d pulls of %s jobs are open", pulls, kind)
		}
	}
	s := r.Submit(job.KindImage)
	r.Start(g)
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded {
		t.Errorf("record is %+v", record)
	}
}

// The context of Start bounds the start only.
func TestStartOutlivesItsContext(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := processortest.NewWorker(t, r.Broker, processortest.NewGenerator(processortest.Succeed))
	ctx, cancel := context.WithCancel(t.Context())
	if err := w.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Shutdown)
	cancel()
	if record := r.WaitSettled(r.Submit(job.KindPrompt)); record.Status != job.StatusSucceeded {
		t.Errorf("record is %+v", record)
	}
}

func TestStartWithoutNATS(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	w := processortest.NewWorker(t, r.Broker, processortest.NewGenerator(processortest.Succeed))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Start(ctx); err == nil {
		t.Error("started")
	}
	w.Shutdown()
}

// A stop ends with its context even if a generator hangs, and the job is redelivered.
func TestStopIsBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, withShortWait)
	hold := newGate(t)
	stubborn := processortest.NewGenerator(func(processortest.Call) (*job.Result, error) {
		<-hold.open
		return &job.Result{Text: "late"}, nil
	})
	w := r.Start(stubborn, withShortBeat, func(c *processor.Config) { c.SoftStop = time.Hour })
	s := r.Submit(job.KindPrompt)
	c := stubborn.WaitCalls(t, 1)[0]
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	stopped := make(chan error, 1)
	go func() { stopped <- w.Stop(ctx) }()
	awaitDone(c.Ctx, t, "the call is canceled")
	guard := time.NewTimer(processortest.Timeout)
	defer guard.Stop()
	select {
	case err := <-stopped:
		if err == nil {
			t.Error("Stop returned no error")
		}
	case <-guard.C:
		t.Fatal("Stop hangs")
	}
	g := processortest.NewGenerator(processortest.Succeed)
	r.Start(g, withShortBeat)
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || g.Count(s.ID) != 1 {
		t.Errorf("record is %+v after %d calls", record, g.Count(s.ID))
	}
	hold.release()
	if record := r.WaitRecord(s); record.Result.Text == "late" {
		t.Error("the late result replaced the record")
	}
}

// A worker logs the start and the end of a NATS outage once each.
func TestOutageIsLoggedOnce(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	r := onBroker(t, processortest.Dial(t, o.url()))
	g := processortest.NewGenerator(processortest.Succeed)
	w := processortest.StartOn(t, processortest.Dial(t, o.url()), g, func(c *processor.Config) { c.SlotsText = 8 })
	r.WaitSettled(r.Submit(job.KindPrompt))
	o.down()
	o.up()
	r.Eventually("NATS is back", func() bool { return r.Broker.Check(t.Context()) == nil })
	if record := r.WaitSettled(r.Submit(job.KindPrompt)); record.Status != job.StatusSucceeded {
		t.Errorf("record is %+v", record)
	}
	if lines := strings.Count(w.Log.String(), "cannot fetch jobs from the queue"); lines > 1 {
		t.Errorf("logged %d times: %s", lines, w.Log)
	}
}
