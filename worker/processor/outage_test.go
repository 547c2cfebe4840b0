package processor_test

import (
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// downtime is how long NATS is down in the tests of a restart.
const downtime = 2 * time.Second

// An outage of NATS in the middle of a settlement only delays it.
func TestNATSUnavailableDuringSettlement(t *testing.T) {
	t.Parallel()
	for _, step := range []processor.Step{processor.StepMedia, processor.StepRecord, processor.StepFollowUp} {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			o := newOutage(t)
			r := onBroker(t, processortest.Dial(t, o.url()))
			g := processortest.NewGenerator(processortest.Succeed)
			var once sync.Once
			back := make(chan struct{})
			processortest.StartOn(t, processortest.Dial(t, o.url()), g, func(c *processor.Config) {
				c.SetWriteTimeout(2 * time.Second)
				c.SetAfterStep(func(at processor.Step) error {
					if at == step {
						once.Do(func() {
							o.down()
							time.AfterFunc(downtime, func() {
								defer close(back)
								o.up()
							})
						})
					}
					return nil
				})
			})
			s := r.Submit(job.KindAudio)
			g.WaitCalls(t, 1)
			<-back
			if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || len(record.Result.Media) != 1 {
				t.Errorf("record is %+v", record)
			}
			if g.Count(s.ID) != 1 {
				t.Errorf("%d calls", g.Count(s.ID))
			}
		})
	}
}

// A write whose reply is lost is repeated long before the settlement gives up.
func TestLostReplyDuringSettlement(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		step           processor.Step
		request, reply string
		do             *processortest.Generator
		status         job.Status
	}{
		"record is lost":            {processor.StepMedia, "PUB $KV.RESULTS", "", processortest.NewGenerator(processortest.Succeed), job.StatusSucceeded},
		"record is not confirmed":   {processor.StepMedia, "", `"stream":"KV_RESULTS"`, processortest.NewGenerator(processortest.Succeed), job.StatusSucceeded},
		"failure is not confirmed":  {processor.StepMedia, "", `"stream":"KV_RESULTS"`, processortest.Always(imageFault(fault.Permanent, "x")), job.StatusFailed},
		"dead letter is lost":       {processor.StepRecord, "PUB dead.", "", processortest.Always(imageFault(fault.Permanent, "x")), job.StatusFailed},
		"acknowledgement is lost":   {processor.StepFollowUp, "+ACK", "", processortest.NewGenerator(processortest.Succeed), job.StatusSucceeded},
		"dead letter not confirmed": {processor.StepRecord, "", `"stream":"DEAD"`, processortest.Always(imageFault(fault.Permanent, "x")), job.StatusFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOutage(t)
			// The test uses its own connection, which stays undisturbed.
			r := onBroker(t, processortest.Dial(t, o.owner.ClientURL()))
			var once sync.Once
			processortest.StartOn(t, processortest.Dial(t, o.url()), test.do, withOneSlot, func(c *processor.Config) {
				c.SetWriteTimeout(time.Second)
				c.SetAfterStep(func(at processor.Step) error {
					if at == test.step {
						once.Do(func() {
							lost := o.loses(test.request, test.reply)
							go func() {
								<-lost
								o.heal()
							}()
						})
					}
					return nil
				})
			})
			begun := time.Now()
			s := r.Submit(job.KindPrompt)
			if record := r.WaitSettled(s); record.Status != test.status {
				t.Errorf("ended as %s", record.Status)
			}
			if test.do.Count(s.ID) != 1 {
				t.Errorf("%d calls", test.do.Count(s.ID))
			}
			if d := r.DeadLetter(s); (d != nil) != (test.status == job.StatusFailed) || (d != nil && d.Detail == "") {
				t.Errorf("dead letter is %+v", d)
			}
			if took := time.Since(begun); took > broker.DefaultAckWait {
				t.Errorf("took %s", took)
			}
		})
	}
}

// Progress is kept in memory, so a restart of NATS loses it, but not the result of a running call.
func TestNATSRestartsDuringACall(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]struct {
		kind   job.Kind
		change processortest.SpecOption
	}{
		"speech": {job.KindAudio, func(*job.Spec) {}}, "set": {job.KindImage, processortest.Images(3, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOutage(t)
			r := onBroker(t, processortest.Dial(t, o.url()))
			hold := newGate(t)
			g := hold.generator()
			processortest.StartOn(t, processortest.Dial(t, o.url()), g)
			s := r.Submit(in.kind, in.change)
			g.WaitCalls(t, 1)
			r.WaitProgress(s, "the job runs", func(p *job.Progress) bool { return p.Status == job.StatusRunning })
			o.down()
			o.up()
			r.Eventually("NATS is back", func() bool { return r.Broker.Check(t.Context()) == nil })
			hold.release()
			if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) {
				t.Errorf("record is %+v", record)
			}
			if g.Count(s.ID) != 1 {
				t.Errorf("%d calls", g.Count(s.ID))
			}
		})
	}
}

// A stored progress whose confirmation was lost does not count as another worker's.
func TestUnconfirmedProgressIsNoConflict(t *testing.T) {
	t.Parallel()
	o := newOutage(t)
	r := onBroker(t, processortest.Dial(t, o.owner.ClientURL()))
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		lost := o.loses("", `"stream":"KV_PROGRESS"`)
		go func() {
			<-lost
			o.heal()
		}()
		return processortest.Succeed(c)
	})
	processortest.StartOn(t, processortest.Dial(t, o.url()), g, withOneSlot, func(c *processor.Config) { c.SetWriteTimeout(time.Second) })
	s := r.Submit(job.KindImage, processortest.Images(3, 1))
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) {
		t.Errorf("record is %+v", record)
	}
	if g.Count(s.ID) != 1 {
		t.Errorf("%d calls", g.Count(s.ID))
	}
}

// An image whose write gets no reply is stored again, not generated again.
func TestLostReplyWhileASetIsStored(t *testing.T) {
	t.Parallel()
	for name, lose := range map[string][2]string{
		"write is lost": {"PUB $KV.RESULTS", ""}, "is not confirmed": {"", `"stream":"KV_RESULTS"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOutage(t)
			r := onBroker(t, processortest.Dial(t, o.owner.ClientURL()))
			g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
				lost := o.loses(lose[0], lose[1])
				go func() {
					<-lost
					o.heal()
				}()
				return processortest.Succeed(c)
			})
			processortest.StartOn(t, processortest.Dial(t, o.url()), g, withOneSlot, func(c *processor.Config) { c.SetWriteTimeout(time.Second) })
			s := r.Submit(job.KindImage, processortest.Images(3, 1))
			if record := r.WaitSettled(s); len(record.Result.Media) != 3 || record.Counts != (job.Counts{}) || g.Count(s.ID) != 1 {
				t.Errorf("record is %+v after %d calls", record, g.Count(s.ID))
			}
		})
	}
}

// Heartbeats continue after one lost reply.
func TestHeartbeatsSurviveALostReply(t *testing.T) {
	t.Parallel()
	o := newOutage(t, withShortWait)
	r := onBroker(t, processortest.Dial(t, o.owner.ClientURL()))
	acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	hold := newGate(t)
	g := hold.generator()
	s := r.Submit(job.KindPrompt)
	r.Redeliver(s, 1)
	processortest.StartOn(t, processortest.Dial(t, o.url()), g, withShortBeat, withOneSlot)
	g.WaitCalls(t, 1)
	// Another worker gets the job as soon as its heartbeats are missing for too long.
	r.Start(g, withShortBeat)
	<-o.loses("STREAM.MSG.GET."+broker.ResultsStream, "")
	o.heal()
	before := acks.count(isHeartbeat)
	r.Eventually("heartbeats continue", func() bool { return acks.count(isHeartbeat) >= before+6 || g.Count(s.ID) > 1 })
	hold.release()
	if record := r.WaitSettled(s); record.Crashes != 0 || g.Count(s.ID) != 1 {
		t.Errorf("%d calls, record %+v", g.Count(s.ID), record)
	}
}
