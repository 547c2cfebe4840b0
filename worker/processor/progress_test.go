package processor_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// withWire returns a rig and a wire through which a worker can connect to the NATS of the rig.
func withWire(t *testing.T) (*rig, *brokertest.Wire) {
	t.Helper()
	// The usual AckWait and not a short one: heartbeats must not be missed because the machine is busy.
	r := newRig(t, withPort)
	return r, brokertest.NewWire(t, r.Broker.ClientURL())
}

// dropRequests drops all requests of the client on a subject. It returns a channel that the first such request closes.
func dropRequests(w *brokertest.Wire, subject string) <-chan struct{} {
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

// A read of the record that gets no reply, during an update of the progress, neither stops the heartbeats nor uses up
// the attempt's time.
func TestHeartbeatDuringAnUnansweredRead(t *testing.T) {
	t.Parallel()
	r, wire := withWire(t)
	acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	updated := make(chan error, 1)
	var dropped <-chan struct{}
	g := processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N > 1 {
			return processortest.Succeed(c)
		}
		// Without a progress, the next update checks whether the job has ended.
		if err := r.Store.DeleteProgress(context.WithoutCancel(c.Ctx), c.Task.Spec.Owner, c.Task.Spec.ID); err != nil {
			return nil, err
		}
		dropped = dropRequests(wire, "$JS.API.STREAM.MSG.GET."+broker.ResultsStream)
		err := c.Task.SetStage(c.Ctx, job.StageGenerating)
		wire.Hold(nil)
		updated <- err
		return processortest.Succeed(c)
	})
	processortest.StartOn(t, processortest.Dial(t, wire.URL), g, withOneSlot, func(c *processor.Config) {
		// The read gives up only after a job without heartbeats would have been redelivered.
		c.SetWriteTimeout(broker.DefaultAckWait + broker.DefaultAckWait/3)
	})
	s := r.Submit(job.KindPrompt)
	g.WaitCalls(t, 1)
	// Another worker gets the job as soon as its heartbeats are missing for too long.
	r.Start(g)
	guard := time.NewTimer(2 * processortest.Timeout)
	defer guard.Stop()
	select {
	case err := <-updated:
		if err != nil {
			t.Errorf("the failed update of the progress ended the attempt: %v", err)
		}
	case <-guard.C:
		t.Fatal("the read does not time out")
	}
	select {
	case <-dropped:
	default:
		t.Error("no read was dropped")
	}
	if n := acks.count(isHeartbeat); n < 3 {
		t.Errorf("%d heartbeats, want at least 3", n)
	}
	if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Crashes != 0 || g.Count(s.ID) != 1 {
		t.Errorf("%d calls, record %+v", g.Count(s.ID), record)
	}
}

// Nor do the regular reads of the record that accompany the heartbeats.
func TestHeartbeatDuringUnansweredRecordReads(t *testing.T) {
	t.Parallel()
	r, wire := withWire(t)
	acks := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	hold := newGate(t)
	g := hold.generator()
	s := r.Submit(job.KindPrompt)
	r.Redeliver(s, 1)
	processortest.StartOn(t, processortest.Dial(t, wire.URL), g, withOneSlot)
	g.WaitCalls(t, 1)
	r.Start(g)
	dropped := dropRequests(wire, "$JS.API.STREAM.MSG.GET."+broker.ResultsStream)
	guard := time.NewTimer(2 * processortest.Timeout)
	defer guard.Stop()
	select {
	case <-dropped:
	case <-guard.C:
		t.Fatal("never: the worker reads the record")
	}
	before := acks.count(isHeartbeat)
	r.Eventually("heartbeats continue", func() bool { return acks.count(isHeartbeat) >= before+4 || g.Count(s.ID) > 1 })
	wire.Hold(nil)
	hold.release()
	if record := r.WaitSettled(s); record.Crashes != 0 || g.Count(s.ID) != 1 {
		t.Errorf("%d calls, record %+v", g.Count(s.ID), record)
	}
}
