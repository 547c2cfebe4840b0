package processor_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// onePerTurn returns a generator of which one call succeeds for each value sent to the channel.
func onePerTurn() (*processortest.Generator, chan struct{}) {
	turn := make(chan struct{})
	return processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		select {
		case <-turn:
			return processortest.Succeed(c)
		case <-c.Ctx.Done():
			return nil, c.Ctx.Err()
		}
	}), turn
}

// No job is fetched without a free slot: running jobs and open pulls together never exceed the slots.
func TestNoMoreJobsThanSlots(t *testing.T) {
	t.Parallel()
	const slots, jobs = 2, 10
	r := newRig(t)
	g, turn := onePerTurn()
	r.Start(g, func(c *processor.Config) { c.SlotsImage, c.SlotsAudio, c.SlotsText = slots, 0, 0 })
	load := func() (inFlight, pulls int) { return r.load(job.KindImage) }
	r.Eventually("every slot pulls", func() bool { _, pulls := load(); return pulls == slots })
	var specs []*job.Spec
	for n := range jobs {
		lane := job.Lanes()[n%2]
		specs = append(specs, r.Submit(job.KindImage, func(s *job.Spec) { s.Lane = lane }))
	}
	for n := range jobs {
		g.WaitCalls(t, min(n+slots, jobs))
		if inFlight, pulls := load(); inFlight > slots || (n < jobs-slots && pulls > 0) {
			t.Errorf("%d running jobs and %d open pulls with %d slots", inFlight, pulls, slots)
		}
		turn <- struct{}{}
	}
	for _, s := range specs {
		r.WaitSettled(s)
	}
	if g.Most() > slots {
		t.Errorf("%d calls at once", g.Most())
	}
}

// A busy worker takes members' jobs first, and a guest's every fourth time.
func TestGuestsGetEveryFourthTurn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g, turn := onePerTurn()
	r.Start(g, withOneSlot)
	r.Submit(job.KindImage)
	g.WaitCalls(t, 1)
	const members, guests = 13, 4
	for range guests {
		r.Submit(job.KindImage, processortest.AsGuest)
	}
	for range members {
		r.Submit(job.KindImage)
	}
	const all = 1 + members + guests
	for n := range all {
		g.WaitCalls(t, n+1)
		turn <- struct{}{}
	}
	var at []int
	for n, c := range g.WaitCalls(t, all)[1:] {
		if c.Task.Spec.Lane == job.LaneGuest {
			at = append(at, n)
		}
	}
	if len(at) != guests || at[0] > 3 {
		t.Fatalf("guests' jobs ran at %v", at)
	}
	for n := range guests - 1 {
		if at[n+1] != at[n]+4 {
			t.Errorf("guests' jobs ran at %v", at)
		}
	}
}

// Slots that become free together give the guests their share, too.
func TestGuestsGetTheirShareOfABatch(t *testing.T) {
	t.Parallel()
	const slots, members, guests = 8, 36, 12
	r := newRig(t)
	hold := newGate(t)
	g := hold.generator()
	r.Start(g, func(c *processor.Config) { c.SlotsImage = slots })
	for range slots {
		r.Submit(job.KindImage)
	}
	g.WaitCalls(t, slots)
	for range guests {
		r.Submit(job.KindImage, processortest.AsGuest)
	}
	for range members {
		r.Submit(job.KindImage)
	}
	hold.release()
	const sample = 24
	started := 0
	for _, c := range g.WaitCalls(t, slots+members+guests)[slots : slots+sample] {
		if c.Task.Spec.Lane == job.LaneGuest {
			started++
		}
	}
	// Jobs of one batch start in any order.
	if started < sample/4-2 || started > sample/4+2 {
		t.Errorf("%d of the first %d jobs are guests'", started, sample)
	}
}

// Two workers share a burst: neither fetches more jobs than it has slots.
func TestWorkersShareABurst(t *testing.T) {
	t.Parallel()
	const slots = 16
	r := newRig(t)
	hold := newGate(t)
	one, two := hold.generator(), hold.generator()
	for _, g := range []*processortest.Generator{one, two} {
		r.Start(g, func(c *processor.Config) { c.SlotsImage = slots })
	}
	for range 2 * slots {
		r.Submit(job.KindImage)
	}
	one.WaitCalls(t, slots)
	two.WaitCalls(t, slots)
	hold.release()
}

// A job that arrives while the worker stops is returned at once: it does not wait for its lease to end, nor count as an attempt.
func TestJobThatArrivesDuringAStop(t *testing.T) {
	t.Parallel()
	r := newRig(t, brokertest.AckWait(time.Hour))
	acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	stopped := processortest.NewGenerator(processortest.Succeed)
	w := r.Start(stopped)
	running := func() int {
		workers, err := r.Control.Workers(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return len(workers)
	}
	watched := func() bool {
		consumer, err := r.Broker.JetStream().Consumer(t.Context(), broker.StreamJobs, broker.ConsumerName(job.KindImage, job.LaneGuest))
		if err != nil {
			t.Fatal(err)
		}
		return consumer.CachedInfo().NumWaiting == 1
	}
	var s *job.Spec
	returned := func(m *nats.Msg) bool { return string(m.Data) == "-NAK" }
	// The pull may end just before the job comes.
	for rounds := 0; acks.count(returned) == 0; rounds++ {
		if rounds == 10 {
			t.Fatal("no job came during a stop")
		}
		r.Eventually("the worker runs", func() bool { return running() == 1 && watched() })
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.Shutdown()
		}()
		r.Eventually("the worker stops", func() bool { return running() == 0 })
		s = r.Submit(job.KindImage, processortest.AsGuest)
		<-done
		w = r.Start(processortest.NewGenerator(processortest.Succeed))
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) {
			t.Errorf("record is %+v", record)
		}
	}
	if n := stopped.Count(s.ID); n != 0 {
		t.Errorf("%d calls of the worker that stopped", n)
	}
}

// A worker never runs more jobs than it has slots, also if the server still has its pulls from before a reconnect.
func TestNoMoreJobsThanSlotsAfterReconnects(t *testing.T) {
	t.Parallel()
	const slots, jobs = 4, 24
	r := newRig(t, withPort)
	worker := processortest.Dial(t, r.Broker.ClientURL())
	pulls := r.spy("$JS.API.CONSUMER.MSG.NEXT." + broker.StreamJobs + ".>")
	opened := func() int { return pulls.count(func(*nats.Msg) bool { return true }) }
	hold := newGate(t)
	g := hold.generator()
	processortest.StartOn(t, worker, g, func(c *processor.Config) { c.SlotsImage, c.SlotsAudio, c.SlotsText = slots, 0, 0 })
	r.Eventually("the worker pulls", func() bool { return opened() >= 4 })
	for range 5 {
		before := opened()
		if err := worker.Conn().ForceReconnect(); err != nil {
			t.Fatal(err)
		}
		r.Eventually("the worker pulls again", func() bool { return opened() >= before+2 })
	}
	var specs []*job.Spec
	for n := range jobs {
		specs = append(specs, r.Submit(job.KindImage, func(s *job.Spec) { s.Lane = job.Lanes()[n%2] }))
	}
	g.WaitCalls(t, slots)
	r.Eventually("no job is fetched any more", func() bool {
		waiting := 0
		for _, lane := range job.Lanes() {
			consumer, err := r.Broker.JetStream().Consumer(t.Context(), broker.StreamJobs, broker.ConsumerName(job.KindImage, lane))
			if err != nil {
				t.Fatal(err)
			}
			waiting += consumer.CachedInfo().NumWaiting
		}
		return waiting == 0
	})
	hold.release()
	for _, s := range specs {
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) {
			t.Errorf("record is %+v", record)
		}
	}
	if g.Most() > slots {
		t.Errorf("%d calls at once with %d slots", g.Most(), slots)
	}
}

// Guests alone, or members alone, get every slot.
func TestOneLaneGetsEverySlot(t *testing.T) {
	t.Parallel()
	for _, lane := range job.Lanes() {
		t.Run(string(lane), func(t *testing.T) {
			t.Parallel()
			const slots = 4
			r := newRig(t)
			g, turn := onePerTurn()
			r.Start(g, func(c *processor.Config) { c.SlotsAudio = slots })
			var specs []*job.Spec
			for range slots {
				specs = append(specs, r.Submit(job.KindAudio, func(s *job.Spec) { s.Lane = lane }))
			}
			g.WaitCalls(t, slots)
			for range slots {
				turn <- struct{}{}
			}
			for _, s := range specs {
				r.WaitSettled(s)
			}
		})
	}
}

// An idle worker with a single slot for texts watches each of the four lanes in turn.
func TestSingleSlotServesAllLanes(t *testing.T) {
	t.Parallel()
	for _, slots := range []int{1, 2} {
		for _, kind := range []job.Kind{job.KindPrompt, job.KindTranslation} {
			for _, lane := range job.Lanes() {
				t.Run(string(kind)+" of a "+string(lane), func(t *testing.T) {
					t.Parallel()
					r := newRig(t)
					pulls := r.spy("$JS.API.CONSUMER.MSG.NEXT." + broker.StreamJobs + ".>")
					r.Start(processortest.NewGenerator(processortest.Succeed), func(c *processor.Config) { c.SlotsImage, c.SlotsAudio, c.SlotsText = 0, 0, slots })
					// After checking all lanes once, an idle slot waits on one lane at a time.
					waits := func(m *nats.Msg) bool {
						var pull struct{ Expires time.Duration }
						return json.Unmarshal(m.Data, &pull) == nil && pull.Expires > 0
					}
					r.Eventually("the slots wait", func() bool { return pulls.count(waits) > slots })
					s := r.Submit(kind, func(s *job.Spec) { s.Lane = lane })
					begun := time.Now()
					r.WaitRecord(s)
					if took := time.Since(begun); took > 15*time.Second {
						t.Errorf("the job ended only after %s", took)
					}
				})
			}
		}
	}
}

// One pool runs prompts and translations, in turn.
func TestTextPoolServesBothKinds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g, turn := onePerTurn()
	r.Start(g, withOneSlot)
	r.Submit(job.KindPrompt)
	g.WaitCalls(t, 1)
	for range 6 {
		r.Submit(job.KindPrompt)
	}
	for range 2 {
		r.Submit(job.KindTranslation)
	}
	// The server reports a new message a moment after acknowledging it.
	r.Eventually("the translations are counted", func() bool {
		states, err := r.Queue.States(r.Context())
		waiting := 0
		for _, s := range states {
			if s.Kind == job.KindTranslation {
				waiting += s.Waiting
			}
		}
		return err == nil && waiting == 2
	})
	for n := range 9 {
		g.WaitCalls(t, n+1)
		turn <- struct{}{}
	}
	var at []int
	for n, c := range g.WaitCalls(t, 9) {
		if c.Task.Spec.Kind == job.KindTranslation {
			at = append(at, n)
		}
	}
	if len(at) != 2 || at[1] > 6 {
		t.Errorf("translations ran at %v", at)
	}
}

// A job that waits for its next attempt occupies no slot.
func TestRetryingJobHoldsNoSlot(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.Task.Spec.MaxAttempts == 5 {
			f := retryable()
			f.RetryAfter = time.Hour
			return nil, f
		}
		return processortest.Succeed(c)
	})
	w := r.Start(g, withOneSlot)
	waiting := r.Submit(job.KindImage, processortest.MaxAttempts(5))
	r.WaitProgress(waiting, "the job waits", func(p *job.Progress) bool { return p.Status == job.StatusRetrying })
	if record := r.WaitSettled(r.Submit(job.KindImage)); record.Status != job.StatusSucceeded {
		t.Errorf("record is %+v", record)
	}
	var busy float64
	r.Eventually("the slot is free", func() bool { busy = gauge(t, w, "image", "busy"); return busy == 0 })
	if free := gauge(t, w, "image", "free"); free != 1 {
		t.Errorf("%v free slots", free)
	}
}

// A new job does not wait for jobs in backoff, however many there are.
func TestNewJobBehindHundredsInBackoff(t *testing.T) {
	t.Parallel()
	const waiting = 800
	r := newRig(t)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.Task.Spec.Kind == job.KindPrompt {
			return nil, retryable()
		}
		return processortest.Succeed(c)
	})
	r.Start(g, func(c *processor.Config) {
		c.SlotsText, c.RetryInitialDelay, c.RetryMaxDelay = 16, time.Hour, time.Hour
	})
	if err := atOnce(8, func(int) error {
		for range waiting / 8 {
			if _, err := r.Queue.Push(t.Context(), processortest.NewSpec(t, job.KindPrompt), false); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	g.WaitCalls(t, waiting)
	r.Eventually("all jobs wait", func() bool {
		states, err := r.Queue.States(t.Context())
		return err == nil && inFlight(states, job.KindPrompt) == waiting
	})
	fresh := r.Submit(job.KindTranslation)
	if record := r.WaitRecord(fresh); record.Status != job.StatusSucceeded {
		t.Errorf("record is %+v", record)
	}
}

// Many jobs at once all succeed, each once.
func TestManyJobsAtOnce(t *testing.T) {
	t.Parallel()
	const jobs = 200
	r := newRig(t)
	g := processortest.NewGenerator(processortest.Succeed)
	r.Start(g, func(c *processor.Config) { c.SlotsImage, c.SlotsAudio, c.SlotsText = 8, 8, 16 })
	specs := make([]*job.Spec, jobs)
	if err := atOnce(jobs, func(n int) error {
		specs[n] = processortest.NewSpec(t, job.Kinds()[n%4], func(s *job.Spec) { s.Lane = job.Lanes()[n/4%2] })
		_, _, err := r.Jobs.Enqueue(t.Context(), specs[n], false)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) || g.Count(s.ID) != 1 {
			t.Errorf("record is %+v after %d calls", record, g.Count(s.ID))
		}
	}
}
