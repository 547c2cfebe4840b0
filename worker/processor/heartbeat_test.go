package processor_test

import (
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// Heartbeats keep a job from being redelivered, however long the call takes.
func TestLongCallIsDeliveredOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, withShortWait)
	acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	hold := newGate(t)
	g := hold.generator()
	r.Start(g, withShortBeat)
	r.Start(g, withShortBeat)
	begun := time.Now()
	s := r.Submit(job.KindPrompt)
	g.WaitCalls(t, 1)
	r.Eventually("three times AckWait pass", func() bool { return time.Since(begun) > 3*shortWait+shortBeat || g.Count(s.ID) > 1 })
	if n := acks.count(isHeartbeat); n < 6 {
		t.Errorf("%d heartbeats, want at least 6", n)
	}
	hold.release()
	record := r.WaitSettled(s)
	if record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) || g.Count(s.ID) != 1 {
		t.Errorf("record is %+v after %d calls", record, g.Count(s.ID))
	}
}

// The heartbeats end with the job, and so does its attempt.
func TestHeartbeatsEndWithTheJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	hold := newGate(t)
	w := r.Start(hold.generator(), withShortBeat)
	s := r.Submit(job.KindPrompt)
	r.Eventually("a heartbeat", func() bool { return acks.count(isHeartbeat) > 0 })
	hold.release()
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded {
		t.Errorf("record is %+v", record)
	}
	r.Eventually("the attempt ends", func() bool { return w.Running() == 0 })
}

// A worker whose heartbeats do not arrive cancels its attempt before another worker gets the job.
func TestUnconfirmedHeartbeatCancelsTheCall(t *testing.T) {
	t.Parallel()
	o := newOutage(t, withShortWait)
	r := onBroker(t, processortest.Dial(t, o.owner.ClientURL()))
	first := hangs()
	processortest.StartOn(t, processortest.Dial(t, o.url()), first, withShortBeat, withOneSlot)
	s := r.Submit(job.KindPrompt)
	c := first.WaitCalls(t, 1)[0]
	second := processortest.NewGenerator(processortest.Succeed)
	r.Start(second, withShortBeat)
	<-o.loses("+WPI", "")
	awaitDone(c.Ctx, t, "the call is canceled")
	canceled := time.Now()
	if later := second.WaitCalls(t, 1)[0]; later.At.Before(canceled.Add(-shortBeat / 2)) {
		t.Errorf("another worker got the job %s before", canceled.Sub(later.At))
	}
	o.heal()
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Crashes != 1 || first.Count(s.ID) != 1 {
		t.Errorf("record is %+v", record)
	}
}
