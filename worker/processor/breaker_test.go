package processor_test

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// of returns an error of an upstream.
func of(name string, class fault.Class, status int, after time.Duration) *fault.Error {
	codes := map[fault.Class]string{
		fault.Throttled: job.CodeThrottled, fault.Misconfigured: job.CodeMisconfigured,
		fault.Retryable: job.CodeUnavailable, fault.Permanent: job.CodeRejected,
	}
	return &fault.Error{
		Upstream: name, Class: class, Code: codes[class], Status: status, RetryAfter: after, Detail: "upstream message",
	}
}

// A Retry-After that one worker receives holds for all workers, and only for jobs of that upstream.
func TestThrottleOpensTheCircuitForAllWorkers(t *testing.T) {
	t.Parallel()
	const retryAfter = 1500 * time.Millisecond
	r := newRig(t)
	var mu sync.Mutex
	var throttledAt time.Time
	var early []time.Duration
	gen := func(c processortest.Call) (*job.Result, error) {
		if c.Task.Spec.Kind != job.KindImage {
			return processortest.Succeed(c)
		}
		mu.Lock()
		defer mu.Unlock()
		if throttledAt.IsZero() {
			throttledAt = time.Now()
			return nil, of(job.UpstreamImage, fault.Throttled, 429, retryAfter)
		}
		if since := time.Since(throttledAt); since < retryAfter {
			early = append(early, since)
		}
		return processortest.Succeed(c)
	}
	one, two := processortest.NewGenerator(gen), processortest.NewGenerator(gen)
	a, b := r.Start(one, withOneSlot), r.Start(two, withOneSlot)
	first := r.Submit(job.KindImage)
	r.Eventually("the circuit opens", func() bool { return r.Circuit(job.UpstreamImage).Open() })
	var images []*job.Spec
	for n := range 12 {
		images = append(images, r.Submit(job.KindImage, func(s *job.Spec) { s.Lane = job.Lanes()[n%2] }))
	}
	// The other kinds continue.
	for _, kind := range []job.Kind{job.KindAudio, job.KindPrompt, job.KindTranslation} {
		if record := r.WaitSettled(r.Submit(kind)); record.Status != job.StatusSucceeded || record.Throttles != 0 {
			t.Errorf("%s: %+v", kind, record)
		}
	}
	for _, s := range append(images, first) {
		record := r.WaitSettled(s)
		if record.Status != job.StatusSucceeded || record.Failures != 0 || record.Crashes != 0 {
			t.Errorf("record is %+v", record)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(early) > 0 {
		t.Errorf("called again after %v, before the Retry-After of %s", early, retryAfter)
	}
	if n := one.Count(first.ID) + two.Count(first.ID); n != 2 {
		t.Errorf("%d calls for the throttled job, want 2", n)
	}
	for _, s := range images {
		if n := one.Count(s.ID) + two.Count(s.ID); n != 1 {
			t.Errorf("%d calls for a job that waited, want 1", n)
		}
	}
	log := a.Log.String() + b.Log.String()
	for _, line := range []string{`level=WARN msg="circuit breaker open: jobs that need the upstream wait`, `level=INFO msg="circuit breaker closed`} {
		if n := strings.Count(log, line); n != 1 {
			t.Errorf("%q is logged %d times, want once:\n%s", line, n, log)
		}
	}
	if c := r.Circuit(job.UpstreamImage); c.Open() {
		t.Errorf("still open: %+v", c)
	}
}

// A Retry-After also holds for a worker that starts after all others have stopped.
func TestOpenCircuitOutlivesItsWorkers(t *testing.T) {
	t.Parallel()
	const retryAfter = 2 * time.Second
	r := newRig(t)
	g := after(of(job.UpstreamImage, fault.Throttled, 429, retryAfter))
	w := r.Start(g)
	s := r.Submit(job.KindImage)
	r.Eventually("the circuit opens", func() bool { return r.Circuit(job.UpstreamImage).Open() })
	throttledAt := time.Now()
	w.Shutdown()
	other := r.Submit(job.KindImage)
	fresh := processortest.NewGenerator(processortest.Succeed)
	r.Start(fresh)
	for _, s := range []*job.Spec{s, other} {
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded {
			t.Errorf("record is %+v", record)
		}
	}
	for _, c := range fresh.WaitCalls(t, 2) {
		// The clock of the test starts a moment after the worker's.
		if since := c.At.Sub(throttledAt); since < retryAfter-500*time.Millisecond {
			t.Errorf("called after %s", since)
		}
	}
}

// One job probes the upstream after the delay; no other starts until its outcome is known.
func TestOneJobProbesAHalfOpenCircuit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hold := newGate(t)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N == 1 && c.Task.Spec.MaxAttempts == 5 {
			return nil, of(job.UpstreamImage, fault.Throttled, 429, 300*time.Millisecond)
		}
		if err := hold.pass(c.Ctx); err != nil {
			return nil, err
		}
		return processortest.Succeed(c)
	})
	var workers []*processortest.Worker
	for range 2 {
		workers = append(workers, r.Start(g, func(c *processor.Config) { c.SlotsImage = 4 }))
	}
	specs := []*job.Spec{r.Submit(job.KindImage, processortest.MaxAttempts(5))}
	g.WaitCalls(t, 1)
	// A worker that has not been notified yet would start the next jobs.
	for _, w := range workers {
		r.Eventually("the worker sees the open circuit", func() bool { return w.Control.View().Circuit(job.UpstreamImage).Open() })
	}
	for range 10 {
		specs = append(specs, r.Submit(job.KindImage))
	}
	g.WaitCalls(t, 2)
	r.Eventually("one job probes", func() bool { return r.Circuit(job.UpstreamImage).State == control.CircuitHalfOpen })
	// A job of another kind runs on the same workers meanwhile.
	audio := r.Submit(job.KindAudio)
	g.WaitCalls(t, 3)
	if c := r.Circuit(job.UpstreamImage); c.State != control.CircuitHalfOpen {
		t.Errorf("the circuit is %+v while the job runs", c)
	}
	images := 0
	for _, c := range g.WaitCalls(t, 3) {
		if c.Task.Spec.Kind == job.KindImage {
			images++
		}
	}
	if images != 2 {
		t.Errorf("%d image calls, want the throttled one and the probe", images)
	}
	hold.release()
	for _, s := range append(specs, audio) {
		record := r.WaitSettled(s)
		if record.Status != job.StatusSucceeded || record.Failures != 0 {
			t.Errorf("record is %+v", record)
		}
	}
	if g.Most() > 8+1 {
		t.Errorf("%d calls at once", g.Most())
	}
}

// Without a Retry-After the delays grow, until the first success closes the circuit.
func TestOpenCircuitDelaysGrow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	f := of(job.UpstreamLanguage, fault.Throttled, 429, 0)
	g := after(f, f, f)
	r.Start(g, func(c *processor.Config) { c.RetryInitialDelay, c.RetryMaxDelay = 100*time.Millisecond, time.Second })
	record := r.WaitSettled(r.Submit(job.KindPrompt))
	if record.Status != job.StatusSucceeded || record.Throttles != 3 || record.Failures != 0 {
		t.Fatalf("record is %+v", record)
	}
	calls := g.WaitCalls(t, 4)
	for n, least := range []time.Duration{70, 140, 280} {
		if got := calls[n+1].At.Sub(calls[n].At); got < least*time.Millisecond {
			t.Errorf("delay %d was %s", n, got)
		}
	}
	if c := r.Circuit(job.UpstreamLanguage); c.Open() || c.Trips != 0 {
		t.Errorf("the circuit is %+v", c)
	}
}

// An upstream that is down is not called by any job, and no job fails because of it.
func TestOutageOpensTheCircuitForAllWorkers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var mu sync.Mutex
	down, calls := true, 0
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		calls++
		if down {
			return nil, of(job.UpstreamSpeech, fault.Retryable, 0, 0)
		}
		return processortest.Succeed(c)
	})
	w := r.Start(g, func(c *processor.Config) {
		c.SlotsAudio, c.RetryInitialDelay, c.RetryMaxDelay = 4, 150*time.Millisecond, 400*time.Millisecond
	})
	var specs []*job.Spec
	for range 40 {
		specs = append(specs, r.Submit(job.KindAudio, processortest.MaxAttempts(8)))
	}
	r.Eventually("the upstream counts as down", func() bool { return r.Circuit(job.UpstreamSpeech).Trips >= 3 })
	mu.Lock()
	during := calls
	down = false
	mu.Unlock()
	// Ten in a row, the calls in flight with them, and the probes.
	if during > 10+4+6 {
		t.Errorf("%d calls of an upstream that was down", during)
	}
	for _, s := range specs {
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded {
			t.Errorf("record is %+v", record)
		}
	}
	if n := strings.Count(w.Log.String(), "circuit breaker open"); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
}

// Error responses open no circuit, however many: they may be about the requests.
func TestErrorResponsesKeepTheCircuitClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N == 1 && c.Task.Spec.MaxAttempts == 8 {
			return nil, of(job.UpstreamSpeech, fault.Retryable, 500, 0)
		}
		return processortest.Succeed(c)
	})
	w := r.Start(g, func(c *processor.Config) {
		c.SlotsAudio, c.RetryInitialDelay, c.RetryMaxDelay = 8, time.Hour, time.Hour
	})
	const jobs = 40
	for range jobs {
		r.Submit(job.KindAudio, processortest.MaxAttempts(8))
	}
	g.WaitCalls(t, jobs)
	failing := func() []string {
		workers, err := r.Control.Workers(t.Context())
		if err != nil || len(workers) != 1 {
			t.Fatalf("%v, %v", workers, err)
		}
		return workers[0].Failing
	}
	r.Eventually("the upstream is announced as failing", func() bool { return len(failing()) == 1 && failing()[0] == job.UpstreamSpeech })
	if record := r.WaitSettled(r.Submit(job.KindAudio)); record.Status != job.StatusSucceeded || record.Throttles != 0 {
		t.Errorf("record is %+v", record)
	}
	r.Eventually("the recovery is announced", func() bool { return len(failing()) == 0 })
	for _, line := range []string{`level=ERROR msg="the upstream returns only errors`, `level=INFO msg="the upstream works without errors again`} {
		if n := strings.Count(w.Log.String(), line); n != 1 {
			t.Errorf("%q is logged %d times, want once", line, n)
		}
	}
	if c := r.Circuit(job.UpstreamSpeech); c.Trips != 0 {
		t.Errorf("the circuit is %+v", c)
	}
}

// A probe that times out does not show that the upstream works, so the circuit stays open.
func TestTimedOutProbeKeepsTheCircuitOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	timeout := of(job.UpstreamSpeech, fault.Retryable, 0, 0)
	timeout.Code = job.CodeTimeout
	failures := make(chan error, 2)
	failures <- of(job.UpstreamSpeech, fault.Throttled, 429, 0)
	failures <- timeout
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		select {
		case err := <-failures:
			return nil, err
		default:
			return processortest.Succeed(c)
		}
	})
	w := r.Start(g, func(c *processor.Config) {
		c.SlotsAudio, c.RetryInitialDelay, c.RetryMaxDelay = 4, 200*time.Millisecond, 400*time.Millisecond
	})
	specs := []*job.Spec{r.Submit(job.KindAudio, processortest.MaxAttempts(8))}
	r.Eventually("the circuit opens", func() bool { return r.Circuit(job.UpstreamSpeech).Open() })
	for range 3 {
		specs = append(specs, r.Submit(job.KindAudio, processortest.MaxAttempts(8)))
	}
	for _, s := range specs {
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded {
			t.Errorf("record is %+v", record)
		}
	}
	r.Eventually("the circuit closes", func() bool { return !r.Circuit(job.UpstreamSpeech).Open() })
	log := w.Log.String()
	for line, want := range map[string]int{"circuit breaker open": 2, "circuit breaker closed": 1} {
		if n := strings.Count(log, line); n != want {
			t.Errorf("%q is logged %d times, want %d", line, n, want)
		}
	}
}

// The failures of a single job open no circuit.
func TestFailuresOfOneJobKeepTheCircuitClosed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N <= 4 {
			return nil, of(job.UpstreamImage, fault.Retryable, 0, 0)
		}
		return processortest.Succeed(c)
	})
	r.Start(g)
	if record := r.WaitSettled(r.Submit(job.KindImage, processortest.MaxAttempts(8))); record.Status != job.StatusSucceeded || record.Failures != 4 {
		t.Errorf("record is %+v", record)
	}
	if c := r.Circuit(job.UpstreamImage); c.Trips != 0 {
		t.Errorf("the circuit is %+v", c)
	}
}

// Only calls in a row that do not reach an upstream open its circuit: the row ends with a response, also an error, and when the circuit
// has opened, whichever worker closes it.
func TestUnreachableCallsCountInARow(t *testing.T) {
	t.Parallel()
	unreached, refused := of(job.UpstreamImage, fault.Retryable, 0, 0), of(job.UpstreamImage, fault.Retryable, 500, 0)
	for name, test := range map[string]struct {
		before []*fault.Error
		opened int
	}{
		"error response": {append(slices.Repeat([]*fault.Error{unreached}, 9), refused), 0},
		"open circuit":   {slices.Repeat([]*fault.Error{unreached}, 10), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			faults := make(chan *fault.Error, len(test.before)+1)
			for _, f := range append(test.before, unreached) {
				faults <- f
			}
			g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
				select {
				case f := <-faults:
					return nil, f
				default:
					return processortest.Succeed(c)
				}
			})
			w := r.Start(g, withOneSlot, func(c *processor.Config) { c.RetryInitialDelay, c.RetryMaxDelay = time.Hour, time.Hour })
			for range test.before {
				r.Submit(job.KindImage, processortest.MaxAttempts(8))
			}
			g.WaitCalls(t, len(test.before))
			if test.opened > 0 {
				r.Eventually("the circuit opens", func() bool { return w.Control.View().Circuit(job.UpstreamImage).Open() })
				if err := w.Control.Reset(t.Context(), job.UpstreamImage); err != nil {
					t.Fatal(err)
				}
			}
			r.Submit(job.KindImage, processortest.MaxAttempts(8))
			g.WaitCalls(t, len(test.before)+1)
			r.Submit(job.KindImage)
			g.WaitCalls(t, len(test.before)+2)
			if n := strings.Count(w.Log.String(), "circuit breaker open"); n != test.opened {
				t.Errorf("the circuit opened %d times, want %d", n, test.opened)
			}
		})
	}
}

// An upstream that refuses the installation is called rarely, the reason is logged once, and a restarted worker probes
// at once.
func TestMisconfiguredUpstreamWaitsForAnOperator(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	refusal := of(job.UpstreamLanguage, fault.Misconfigured, 401, 0)
	g := processortest.Always(refusal)
	broken := r.Start(g, func(c *processor.Config) { c.SetMisconfiguredDelay(time.Hour) })
	specs := []*job.Spec{r.Submit(job.KindPrompt), r.Submit(job.KindTranslation)}
	r.Eventually("the circuit opens", func() bool {
		c := r.Circuit(job.UpstreamLanguage)
		return c.State == control.CircuitOpen && c.Code == job.CodeMisconfigured && c.Status == 401
	})
	for range 20 {
		specs = append(specs, r.Submit(job.KindPrompt))
	}
	log := broken.Log.String()
	if n := strings.Count(log, "refuses the key or the balance"); n != 1 {
		t.Errorf("logged %d times, want once: %s", n, log)
	}
	if !strings.Contains(log, "upstream message") {
		t.Errorf("the upstream's message is missing: %s", log)
	}
	broken.Shutdown()
	// A worker that is restarted with a setting that is still wrong logs it, too.
	still := r.Start(g, func(c *processor.Config) { c.SetMisconfiguredDelay(time.Hour) })
	r.Eventually("it is logged again", func() bool { return strings.Count(still.Log.String(), "refuses the key or the balance") == 1 })
	still.Shutdown()
	w := r.Start(processortest.NewGenerator(processortest.Succeed))
	for _, s := range specs {
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Failures != 0 {
			t.Errorf("record is %+v", record)
		}
	}
	if log := w.Log.String(); !strings.Contains(log, "circuit breaker closed") {
		t.Errorf("the recovery is not logged: %s", log)
	}
}

// No worker runs jobs of a paused kind until it is resumed; other kinds continue.
func TestOperatorPausesAKind(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	operator := control.NewController(r.Control, nil, nil)
	if err := operator.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(operator.Stop)
	if _, err := operator.Pause(t.Context(), job.KindPrompt, time.Now().Add(time.Hour), "maintenance"); err != nil {
		t.Fatal(err)
	}
	g := processortest.NewGenerator(processortest.Succeed)
	r.Start(g)
	paused := r.Submit(job.KindPrompt)
	if record := r.WaitSettled(r.Submit(job.KindTranslation)); record.Status != job.StatusSucceeded {
		t.Errorf("record is %+v", record)
	}
	if n := g.Count(paused.ID); n != 0 {
		t.Errorf("%d calls of a paused kind", n)
	}
	if err := operator.Resume(t.Context(), job.KindPrompt); err != nil {
		t.Fatal(err)
	}
	if record := r.WaitSettled(paused); record.Status != job.StatusSucceeded || record.Failures != 0 {
		t.Errorf("record is %+v", record)
	}
}

// The worker that receives a Retry-After waits at once, before the shared state is stored.
func TestThrottledWorkerBacksOffAtOnce(t *testing.T) {
	t.Parallel()
	const retryAfter = 700 * time.Millisecond
	r := newRig(t)
	g := processortest.NewGenerator(processortest.Succeed)
	w := r.Start(g)
	throttledAt := time.Now()
	w.BackOff(job.UpstreamImage, retryAfter)
	if record := r.WaitSettled(r.Submit(job.KindImage)); record.Status != job.StatusSucceeded || record.Failures != 0 {
		t.Errorf("record is %+v", record)
	}
	if after := g.WaitCalls(t, 1)[0].At.Sub(throttledAt); after < retryAfter {
		t.Errorf("called after %s, before the Retry-After of %s", after, retryAfter)
	}
	if c := r.Circuit(job.UpstreamImage); c.Trips != 0 {
		t.Errorf("the circuit is %+v", c)
	}
}

// A call that this program's own gate for a legacy service refused says nothing about the upstream: it neither closes the circuit
// as a probe, nor ends a row of calls that did not reach the upstream.
func TestRefusalByTheGateIsNoCall(t *testing.T) {
	t.Parallel()
	busy := of(job.UpstreamImage, fault.Throttled, 0, 50*time.Millisecond)
	t.Run("as a probe", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.OpenCircuit(job.UpstreamImage)
		states := make(chan control.Circuit, 1)
		g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
			if c.N == 1 {
				return nil, busy
			}
			states <- r.Circuit(job.UpstreamImage)
			return processortest.Succeed(c)
		})
		r.Start(g)
		if record := r.WaitSettled(r.Submit(job.KindImage)); record.Status != job.StatusSucceeded || record.Failures != 0 {
			t.Errorf("record is %+v", record)
		}
		if c := <-states; c.State != control.CircuitHalfOpen {
			t.Errorf("the circuit is %+v before any call was made", c)
		}
		if c := r.Circuit(job.UpstreamImage); c.Open() {
			t.Errorf("the circuit is %+v after a call that succeeded", c)
		}
	})
	t.Run("in an outage", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		var calls atomic.Int32
		g := processortest.NewGenerator(func(processortest.Call) (*job.Result, error) {
			if calls.Add(1)%2 == 0 {
				return nil, busy
			}
			return nil, of(job.UpstreamImage, fault.Retryable, 0, 0)
		})
		r.Start(g)
		for range 10 {
			r.Submit(job.KindImage, processortest.MaxAttempts(10))
		}
		r.Eventually("the circuit opens", func() bool { return r.Circuit(job.UpstreamImage).Trips > 0 })
	})
	t.Run("in a set", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.OpenCircuit(job.UpstreamImage)
		states := make(chan control.Circuit, 1)
		g := set(func(index, attempt int) *fault.Error {
			switch {
			case attempt == 1 && index == 0:
				return of(job.UpstreamImage, fault.Retryable, 0, 0)
			case attempt == 1:
				return busy
			case index == 0:
				states <- r.Circuit(job.UpstreamImage)
			}
			return nil
		})
		r.Start(g)
		r.WaitSettled(r.Submit(job.KindImage, processortest.Images(3, 1)))
		if c := <-states; !c.Open() || c.Trips != 2 {
			t.Errorf("the circuit is %+v after a probe that did not reach the upstream", c)
		}
	})
	t.Run("in a set with an image that was made", func(t *testing.T) {
		t.Parallel()
		r := newRig(t)
		r.OpenCircuit(job.UpstreamImage)
		states := make(chan control.Circuit, 1)
		g := set(func(index, attempt int) *fault.Error {
			switch {
			case index == 0:
				return nil
			case attempt == 1:
				return busy
			case index == 1:
				states <- r.Circuit(job.UpstreamImage)
			}
			return nil
		})
		r.Start(g)
		r.WaitSettled(r.Submit(job.KindImage, processortest.Images(3, 1)))
		if c := <-states; c.Open() {
			t.Errorf("the circuit is %+v after a call that succeeded", c)
		}
	})
}
