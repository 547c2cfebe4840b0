package processor_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// withWire returns a rig on an undisturbed connection and a wire through which a worker reaches the same NATS.
func withWire(t *testing.T) (*rig, *brokertest.Wire) {
	t.Helper()
	// The usual AckWait, and not a short one: what is missed here must not be missed because the machine is busy.
	r := newRig(t, withPort)
	return r, brokertest.NewWire(t, r.Broker.ClientURL())
}

// silence holds back for good what a client asks on a subject; the returned channel is closed by the first such request.
func silence(w *brokertest.Wire, subject string) <-chan struct{} {
	first := make(chan struct{})
	var once sync.Once
	w.Hold(func(m brokertest.Message) <-chan struct{} {
		if !m.FromClient || m.Subject != subject {
			return nil
		}
		once.Do(func() { close(first) })
		return make(chan struct{})
	})
	return first
}

// A read of the record that NATS never answers, in the middle of storing the progress, does not stop the heartbeat, and
// does not take the rest of the attempt's time.
func TestHeartbeatDuringAnUnansweredRead(t *testing.T) {
	t.Parallel()
	r, wire := withWire(t)
	beats := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	updated := make(chan error, 1)
	var asked <-chan struct{}
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N > 1 {
			return processortest.Succeed(c)
		}
		// The progress is gone, so that its next change asks whether the job has ended.
		if err := r.Store.DeleteProgress(context.WithoutCancel(c.Ctx), c.Task.Spec.Owner, c.Task.Spec.ID); err != nil {
			return nil, err
		}
		asked = silence(wire, "$JS.API.STREAM.MSG.GET."+broker.ResultsStream)
		err := c.Task.SetStage(c.Ctx, job.StageGenerating)
		wire.Hold(nil)
		updated <- err
		return processortest.Succeed(c)
	})
	processortest.StartOn(t, processortest.Dial(t, wire.URL), g, withOneSlot, func(c *processor.Config) {
		// The read is given up when a job without heartbeats would have been delivered again.
		c.SetWriteTimeout(broker.DefaultAckWait + broker.DefaultAckWait/3)
	})
	s := r.Submit(job.KindPrompt)
	g.WaitCalls(t, 1)
	// Whoever is free takes the job as soon as its heartbeat has been missing for too long.
	r.Start(g)
	guard := time.NewTimer(2 * processortest.Timeout)
	defer guard.Stop()
	select {
	case err := <-updated:
		if err != nil {
			t.Errorf("progress is advisory, and the attempt was broken off by it: %v", err)
		}
	case <-guard.C:
		t.Fatal("the read is waited for without end")
	}
	select {
	case <-asked:
	default:
		t.Error("no read was left unanswered, so nothing was tried")
	}
	if n := beats.count(func(m *nats.Msg) bool { return string(m.Data) == "+WPI" }); n < 3 {
		t.Errorf("%d heartbeats", n)
	}
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Crashes != 0 || g.Count(s.ID) != 1 {
		t.Errorf("%d calls, record %+v", g.Count(s.ID), record)
	}
}

// A look at the record that NATS never answers does not keep the heartbeat waiting either.
func TestHeartbeatDuringUnansweredRecordReads(t *testing.T) {
	t.Parallel()
	r, wire := withWire(t)
	beats := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	hold := newGate(t)
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if err := hold.pass(c.Ctx); err != nil {
			return nil, err
		}
		return processortest.Succeed(c)
	})
	s := r.Submit(job.KindPrompt)
	r.Redeliver(s, 1)
	processortest.StartOn(t, processortest.Dial(t, wire.URL), g, withOneSlot)
	g.WaitCalls(t, 1)
	r.Start(g)
	looked := silence(wire, "$JS.API.STREAM.MSG.GET."+broker.ResultsStream)
	guard := time.NewTimer(2 * processortest.Timeout)
	defer guard.Stop()
	select {
	case <-looked:
	case <-guard.C:
		t.Fatal("never: the worker looks for the record")
	}
	isBeat := func(m *nats.Msg) bool { return string(m.Data) == "+WPI" }
	before := beats.count(isBeat)
	r.Eventually("the heartbeat goes on", func() bool { return beats.count(isBeat) >= before+4 || g.Count(s.ID) > 1 })
	wire.Hold(nil)
	hold.release()
	if record := r.WaitSettled(s); record.Crashes != 0 || g.Count(s.ID) != 1 {
		t.Errorf("%d calls, record %+v", g.Count(s.ID), record)
	}
}
