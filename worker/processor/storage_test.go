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
)

// fill stores dead letters until there is no more room.
func (r *rig) fill() {
	r.Helper()
	for i := range 1000 {
		subject := broker.DeadSubject(job.KindImage, "o", fmt.Sprint(i))
		if _, err := r.broker.JetStream().Publish(r.Context(), subject, make([]byte, 64<<10)); broker.NoRoom(err) {
			return
		} else if err != nil {
			r.Fatal(err)
		}
	}
	r.Fatal("the store does not fill")
}

// makeRoom forgets the dead letters.
func (r *rig) makeRoom() {
	r.Helper()
	dead, err := r.broker.JetStream().Stream(r.Context(), broker.StreamDead)
	if err == nil {
		err = dead.Purge(r.Context())
	}
	if err != nil {
		r.Fatal(err)
	}
}

// TestFullStoreHoldsWhatWasMade fills the store while calls are under way: what they made is kept until there is room,
// nothing is made twice, and nothing more is made meanwhile.
func TestFullStoreHoldsWhatWasMade(t *testing.T) {
	t.Parallel()
	for name, in := range map[string]struct {
		kind   job.Kind
		change submission
	}{
		"text": {job.KindPrompt, func(*job.Spec) {}}, "speech": {job.KindAudio, func(*job.Spec) {}},
		"set": {job.KindImage, input(pictures(3, 1))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, withShortWait, func(c *broker.Config) { c.MaxStoreMB = 1 })
			gate := newGate(t)
			g := newFake(func(c call) (*job.Result, error) {
				if err := gate.pass(c.ctx); err != nil {
					return nil, err
				}
				return succeed(c)
			})
			var specs []*job.Spec
			for range 6 {
				specs = append(specs, r.submit(in.kind, in.change))
			}
			// Half a second is a hundredth of what it takes without holding on.
			w := r.start(g, withShortBeat, func(c *processor.Config) { c.SettleTimeout = 500 * time.Millisecond })
			g.wait(t, 2)
			writes := r.spy("$KV." + broker.BucketResults + ".>")
			r.fill()
			gate.release()
			// Each tries again every other second; by then the jobs would have been delivered again.
			r.eventually("it is tried again and again", func() bool { return writes.count(func(*nats.Msg) bool { return true }) >= 8 })
			if calls := len(g.wait(t, 2)); calls > 2 {
				t.Errorf("%d calls while nothing can be stored", calls)
			}
			r.makeRoom()
			for _, s := range specs {
				if record := r.settled(s); record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) {
					t.Errorf("record is %+v", record)
				}
				if g.count(s.ID) != 1 {
					t.Errorf("%d calls", g.count(s.ID))
				}
			}
			log := w.log.String()
			for _, line := range []string{`level=ERROR msg="NATS stores no results`, `level=INFO msg="NATS stores results again`} {
				if n := strings.Count(log, line); n != 1 {
					t.Errorf("%q is logged %d times", line, n)
				}
			}
			if n := strings.Count(log, "job left"); n > 0 {
				t.Errorf("%d jobs are left: %s", n, log)
			}
		})
	}
}

// TestFullStoreDoesNotHoldUpAStop stops a worker that holds what cannot be stored.
func TestFullStoreDoesNotHoldUpAStop(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *broker.Config) { c.MaxStoreMB = 1 })
	gate := newGate(t)
	g := newFake(func(c call) (*job.Result, error) {
		if err := gate.pass(c.ctx); err != nil {
			return nil, err
		}
		return succeed(c)
	})
	s := r.submit(job.KindPrompt)
	w := r.start(g, func(c *processor.Config) { c.SettleTimeout = 500 * time.Millisecond })
	g.wait(t, 1)
	r.fill()
	gate.release()
	r.eventually("it is noticed", func() bool { return strings.Contains(w.log.String(), "NATS stores no results") })
	w.stop()
	if !r.queued(s) {
		t.Error("the job is lost")
	}
}
