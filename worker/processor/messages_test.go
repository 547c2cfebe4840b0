package processor_test

import (
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

// meter counts the messages between a worker, which has a connection of its own, and NATS.
type meter struct {
	worker *broker.Broker
	pulls  *spy
	began  time.Time
	before nats.Statistics
	asked  int
}

func newMeter(r *rig) *meter {
	return &meter{worker: processortest.Dial(r.T, r.Broker.ClientURL()), pulls: r.spy("$JS.API.CONSUMER.MSG.NEXT." + broker.StreamJobs + ".>")}
}

func (m *meter) start() {
	m.began, m.before, m.asked = time.Now(), m.worker.Conn().Stats(), m.count()
}

func (m *meter) count() int { return m.pulls.count(func(*nats.Msg) bool { return true }) }

// read returns the messages in both directions since start, the pulls among them, and the time.
func (m *meter) read() (messages, pulls float64, took time.Duration) {
	now := m.worker.Conn().Stats()
	return float64(now.InMsgs + now.OutMsgs - m.before.InMsgs - m.before.OutMsgs), float64(m.count() - m.asked), time.Since(m.began)
}

// An idle worker leaves a pull open on each lane, however many slots it has.
func TestMessagesOfAnIdleWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t, withPort)
	m := newMeter(r)
	processortest.StartOn(t, m.worker, processortest.NewGenerator(processortest.Succeed), func(c *processor.Config) {
		c.SlotsImage, c.SlotsAudio, c.SlotsText = 64, 8, 16
		c.SetIdleWait(0)
	})
	lanes := len(job.Kinds()) * len(job.Lanes())
	// The first pulls ask each lane once.
	r.Eventually("every lane is watched", func() bool { return m.count() >= 2*lanes })
	m.start()
	r.Eventually("the pulls are repeated", func() bool { return m.count()-m.asked >= 3*lanes })
	// Half of the pulls and of their ends, and the registration of the worker, leave some room.
	messages, pulls, took := m.read()
	if perSecond := messages / took.Seconds(); perSecond > 26 {
		t.Errorf("%.1f messages a second, %.0f pulls in %s", perSecond, pulls, took)
	}
}

// A worker with many jobs in the queue pulls several at once, and a job that comes alone costs less than one pull.
func TestMessagesPerJob(t *testing.T) {
	t.Parallel()
	const jobs, slots = 160, 64
	for name, test := range map[string]struct {
		lanes []job.Lane
		// alone is set if each job is submitted after the one before has started.
		alone bool
	}{
		"guests": {[]job.Lane{job.LaneGuest}, false}, "members": {[]job.Lane{job.LaneMember}, false},
		"both": {job.Lanes(), false}, "one by one": {[]job.Lane{job.LaneGuest}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, withPort)
			m := newMeter(r)
			specs := make([]*job.Spec, jobs)
			submit := func(n int) error {
				specs[n] = processortest.NewSpec(t, job.KindImage, func(s *job.Spec) { s.Lane = test.lanes[n%len(test.lanes)] })
				_, _, err := r.Jobs.Enqueue(t.Context(), specs[n], false)
				return err
			}
			if !test.alone {
				if err := atOnce(jobs, submit); err != nil {
					t.Fatal(err)
				}
			}
			g := processortest.NewGenerator(processortest.Succeed)
			m.start()
			processortest.StartOn(t, m.worker, g, func(c *processor.Config) { c.SlotsImage, c.SlotsAudio, c.SlotsText = slots, 0, 0 })
			for n := range specs {
				if !test.alone {
					break
				}
				if err := submit(n); err != nil {
					t.Fatal(err)
				}
				g.WaitCalls(t, n+1)
			}
			for _, s := range specs {
				r.WaitSettled(s)
			}
			messages, pulls, took := m.read()
			// Without jobs, the worker watches its two lanes: on a slow machine that counts, too.
			if pulls > 0.75*jobs+2*took.Seconds() {
				t.Errorf("%.2f messages and %.2f pulls per job in %s", messages/jobs, pulls/jobs, took)
			}
		})
	}
}
