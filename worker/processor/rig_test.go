package processor_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

const (
	// shortWait is the AckWait of tests in which a job is redelivered after a crash, and shortBeat its heartbeat.
	shortWait = 3 * time.Second
	shortBeat = shortWait / 3
)

// rig extends the shared rig for the tests of this package.
type rig struct {
	*testing.T
	*processortest.Rig
}

func newRig(t *testing.T, options ...func(*broker.Config)) *rig {
	t.Helper()
	return onBroker(t, brokertest.Start(t, options...))
}

func onBroker(t *testing.T, b *broker.Broker) *rig {
	t.Helper()
	return &rig{t, processortest.On(t, b)}
}

// load returns how many jobs of a kind are fetched and how many pulls are open.
func (r *rig) load(kind job.Kind) (inFlight, pulls int) {
	r.Helper()
	for _, lane := range job.Lanes() {
		consumer, err := r.Broker.JetStream().Consumer(r.Context(), broker.StreamJobs, broker.ConsumerName(kind, lane))
		if err != nil {
			r.Fatal(err)
		}
		inFlight += consumer.CachedInfo().NumAckPending
		pulls += consumer.CachedInfo().NumWaiting
	}
	return inFlight, pulls
}

var withShortWait = brokertest.AckWait(shortWait)

func withPort(c *broker.Config) { c.Listen = "127.0.0.1:0" }

func withShortBeat(c *processor.Config) { c.SetHeartbeat(shortBeat) }
func withOneSlot(c *processor.Config)   { c.SlotsImage, c.SlotsAudio, c.SlotsText = 1, 1, 1 }

// counter returns the value of a counter.
func counter(t *testing.T, c interface{ Write(*dto.Metric) error }) float64 {
	t.Helper()
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetCounter().GetValue()
}

// measured returns the number and the sum of a histogram's observations.
func measured(t *testing.T, o prometheus.Observer) (n uint64, sum float64) {
	t.Helper()
	var m dto.Metric
	if err := o.(prometheus.Histogram).Write(&m); err != nil {
		t.Fatal(err)
	}
	return m.GetHistogram().GetSampleCount(), m.GetHistogram().GetSampleSum()
}
