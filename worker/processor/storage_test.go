package processor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// fill stores dead letters until there is no more room.
func (r *rig) fill() {
	r.Helper()
	for i := range 1000 {
		subject := broker.DeadSubject(job.KindImage, "o", fmt.Sprint(i))
		if _, err := r.Broker.JetStream().Publish(r.Context(), subject, make([]byte, 64<<10)); broker.NoRoom(err) {
			return
		} else if err != nil {
			r.Fatal(err)
		}
	}
	r.Fatal("the store does not fill")
}

// makeRoom deletes the dead letters.
func (r *rig) makeRoom() {
	r.Helper()
	dead, err := r.Broker.JetStream().Stream(r.Context(), broker.StreamDead)
	if err == nil {
		err = dead.Purge(r.Context())
	}
	if err != nil {
		r.Fatal(err)
	}
}

// TestResultIsKeptWhileTheStoreIsFull fills the store during calls: their results are kept until there is room, no call
// is repeated, and no new one is made meanwhile.
func TestResultIsKeptWhileTheStoreIsFull(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]struct {
		kind   job.Kind
		change processortest.SpecOption
	}{
		"text": {job.KindPrompt, func(*job.Spec) {}}, "speech": {job.KindAudio, func(*job.Spec) {}},
		"set": {job.KindImage, processortest.Images(3, 1)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, withShortWait, func(c *broker.Config) { c.MaxStoreMB = 1 })
			gate := newGate(t)
			g := gate.generator()
			var specs []*job.Spec
			for range 6 {
				specs = append(specs, r.Submit(in.kind, in.change))
			}
			// The store stays full for much longer than this time-out.
			w := r.Start(g, withShortBeat, func(c *processor.Config) { c.SetSettleTimeout(500 * time.Millisecond) })
			g.WaitCalls(t, 2)
			writes := r.spy("$KV." + broker.BucketResults + ".>")
			r.fill()
			gate.release()
			// Each is retried every other second; without heartbeats the jobs would have been redelivered by then.
			r.Eventually("writes are retried", func() bool { return writes.count(func(*nats.Msg) bool { return true }) >= 8 })
			if calls := len(g.WaitCalls(t, 2)); calls > 2 {
				t.Errorf("%d calls while the store is full, want 2", calls)
			}
			r.makeRoom()
			for _, s := range specs {
				if record := r.WaitSettled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) {
					t.Errorf("record is %+v", record)
				}
				if g.Count(s.ID) != 1 {
					t.Errorf("%d calls", g.Count(s.ID))
				}
			}
			log := w.Log.String()
			for _, line := range []string{`level=ERROR msg="NATS stores no results`, `level=INFO msg="NATS stores results again`} {
				if n := strings.Count(log, line); n != 1 {
					t.Errorf("%q is logged %d times", line, n)
				}
			}
			if n := strings.Count(log, "job left"); n > 0 {
				t.Errorf("%d jobs left for redelivery: %s", n, log)
			}
		})
	}
}

// TestFullStoreDoesNotDelayAStop stops a worker whose result cannot be stored.
func TestFullStoreDoesNotDelayAStop(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *broker.Config) { c.MaxStoreMB = 1 })
	gate := newGate(t)
	g := gate.generator()
	s := r.Submit(job.KindPrompt)
	w := r.Start(g, func(c *processor.Config) { c.SetSettleTimeout(500 * time.Millisecond) })
	g.WaitCalls(t, 1)
	r.fill()
	gate.release()
	r.Eventually("the full store is logged", func() bool { return strings.Contains(w.Log.String(), "NATS stores no results") })
	w.Shutdown()
	if !r.Queued(s) {
		t.Error("the job is lost")
	}
}
