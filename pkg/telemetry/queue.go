package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// queueMaxAge is how long scrapes reuse a reading of the queue, which costs a request for each kind and lane, and of the dead letters.
const queueMaxAge = time.Second

// QueueSample is the state of one queue at one moment.
type QueueSample struct {
	Kind string
	Lane string
	// Depth is the number of queued jobs.
	Depth int
	// InFlight is the number of jobs delivered to a worker and not settled.
	InFlight int
	// OldestAge is the age of the oldest job in the queue, 0 when there is none.
	OldestAge time.Duration
}

// RegisterQueue registers the metrics of the queue. A scrape calls read, at most once a
// second, which returns one sample for each kind and lane. A read that fails or takes longer than
// two seconds is counted, and that scrape does without the queue's metrics; while a
// read hangs no second one is started. RegisterQueue fails when it was called before.
func (m *Metrics) RegisterQueue(read func(context.Context) ([]QueueSample, error)) error {
	depth := m.desc(programAPI, "queue_depth", "Jobs waiting for their first attempt."+shared, "kind", "lane")
	inFlight := m.desc(programAPI, "queue_in_flight", "Jobs that run or wait for another attempt."+shared, "kind", "lane")
	oldest := m.desc(programAPI, "queue_oldest_age_seconds", "Age of the oldest job in the queue, 0 without one."+shared, "kind", "lane")
	return m.register("queue", &scraper{
		maxAge: queueMaxAge,
		descs:  []*prometheus.Desc{depth, inFlight, oldest},
		read: convert(read, func(samples []QueueSample) []prometheus.Metric {
			var metrics []prometheus.Metric
			for _, s := range samples {
				metrics = append(metrics,
					gauge(depth, float64(s.Depth), s.Kind, s.Lane),
					gauge(inFlight, float64(s.InFlight), s.Kind, s.Lane),
					gauge(oldest, s.OldestAge.Seconds(), s.Kind, s.Lane))
			}
			return metrics
		}),
	})
}

// RegisterDeadLetters registers the number of stored dead letters, which a scrape
// reads at most once a second. Failures are handled as in RegisterQueue.
func (m *Metrics) RegisterDeadLetters(read func(context.Context) (int, error)) error {
	depth := m.desc(programAPI, "dead_letter_depth", "Dead letters stored."+shared)
	return m.register("dead_letters", &scraper{
		maxAge: queueMaxAge,
		descs:  []*prometheus.Desc{depth},
		read:   convert(read, func(n int) []prometheus.Metric { return []prometheus.Metric{gauge(depth, float64(n))} }),
	})
}

func (m *Metrics) desc(program, name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(m.describe(program, "gauge", name, help, labels...), help, labels, nil)
}

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}
