package processor_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// A call may take as long as it likes; the heart keeps the job from being delivered to somebody else.
func TestLongCallIsDeliveredOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, withShortWait)
	beats := r.spy("$JS.ACK." + broker.StreamJobs + ".>")
	hold := newGate(t)
	g := newFake(func(c call) (*job.Result, error) {
		if err := hold.pass(c.ctx); err != nil {
			return nil, err
		}
		return succeed(c)
	})
	r.start(g, withShortBeat)
	r.start(g, withShortBeat)
	begun := time.Now()
	s := r.submit(job.KindPrompt)
	g.wait(t, 1)
	r.eventually("three times AckWait pass", func() bool { return time.Since(begun) > 3*shortWait+shortBeat || g.count(s.ID) > 1 })
	if n := beats.count(func(m *nats.Msg) bool { return string(m.Data) == "+WPI" }); n < 6 {
		t.Errorf("%d beats", n)
	}
	hold.release()
	record := r.settled(s)
	if record.Status != job.StatusSucceeded || record.Counts != (job.Counts{}) || g.count(s.ID) != 1 {
		t.Errorf("record is %+v after %d calls", record, g.count(s.ID))
	}
}

// A worker that the broker no longer hears gives up before the job goes to another.
func TestUnconfirmedBeatBreaksTheCallOff(t *testing.T) {
	t.Parallel()
	o := newOutage(t, withShortWait)
	r := onBroker(t, dial(t, o.owner.ClientURL()))
	first := hangs()
	startOn(t, dial(t, o.url()), first, withShortBeat, withOneSlot)
	s := r.submit(job.KindPrompt)
	c := first.wait(t, 1)[0]
	second := newFake(succeed)
	r.start(second, withShortBeat)
	<-o.loses("+WPI", "")
	awaitDone(c.ctx, t, "the call is broken off")
	gaveUp := time.Now()
	if later := second.wait(t, 1)[0]; later.at.Before(gaveUp.Add(-shortBeat / 2)) {
		t.Errorf("another worker had the job %s before", gaveUp.Sub(later.at))
	}
	o.heal()
	if record := r.settled(s); record.Status != job.StatusSucceeded || record.Crashes != 1 || first.count(s.ID) != 1 {
		t.Errorf("record is %+v", record)
	}
}
