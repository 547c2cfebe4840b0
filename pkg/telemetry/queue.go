package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// QueueSample is the state of one queue at one moment.
type QueueSample struct {
	Kind string
	Lane string
	// Depth is the number of waiting jobs.
	Depth int
	// InFlight is the number of jobs handed to a worker and not settled.
	InFlight int
	// OldestAge is the age of the oldest job in the queue, 0 when there is none.
	OldestAge time.Duration
}

// RegisterQueue has read called at each scrape and shows what it returns, one
// sample for each kind and lane. A read that fails or takes longer than two
// seconds is counted and leaves the queue out of that scrape, which goes on without
// it; while one hangs no second one is started. It fails when a queue is registered
// already.
func (m *Metrics) RegisterQueue(read func(context.Context) ([]QueueSample, error)) error {
	depth := m.desc(programAPI, "queue_depth", "Jobs waiting that no worker has had."+shared, "kind", "lane")
	inFlight := m.desc(programAPI, "queue_in_flight", "Jobs that run or wait for another attempt."+shared, "kind", "lane")
	oldest := m.desc(programAPI, "queue_oldest_age_seconds", "Age of the oldest job in the queue, 0 without one."+shared, "kind", "lane")
	return m.register("queue", &scraper{
		descs: []*prometheus.Desc{depth, inFlight, oldest},
		read: func(ctx context.Context) ([]prometheus.Metric, error) {
			samples, err := read(ctx)
			if err != nil {
				return nil, err
			}
			var metrics []prometheus.Metric
			for _, s := range samples {
				metrics = append(metrics,
					gauge(depth, float64(s.Depth), s.Kind, s.Lane),
					gauge(inFlight, float64(s.InFlight), s.Kind, s.Lane),
					gauge(oldest, s.OldestAge.Seconds(), s.Kind, s.Lane))
			}
			return metrics, nil
		},
	})
}

// RegisterDeadLetters has read called at each scrape for the number of kept dead
// letters, under the same rules as RegisterQueue.
func (m *Metrics) RegisterDeadLetters(read func(context.Context) (int, error)) error {
	depth := m.desc(programAPI, "dead_letter_depth", "Dead letters kept."+shared)
	return m.register("dead_letters", &scraper{
		descs: []*prometheus.Desc{depth},
		read: func(ctx context.Context) ([]prometheus.Metric, error) {
			n, err := read(ctx)
			if err != nil {
				return nil, err
			}
			return []prometheus.Metric{gauge(depth, float64(n))}, nil
		},
	})
}

func (m *Metrics) desc(program, name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(m.describe(program, "gauge", name, help, labels...), help, labels, nil)
}

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}
