package telemetry

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTimeout bounds what a scrape asks the broker; Prometheus itself gives up
// after ten seconds unless told otherwise.
const scrapeTimeout = 2 * time.Second

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
	depth := queueDesc("queue_depth", "Jobs waiting.", "kind", "lane")
	inFlight := queueDesc("queue_in_flight", "Jobs handed to a worker and not settled.", "kind", "lane")
	oldest := queueDesc("queue_oldest_age_seconds", "Age of the oldest job in the queue.", "kind", "lane")
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
	depth := queueDesc("dead_letter_depth", "Dead letters kept.")
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

func (m *Metrics) register(source string, s *scraper) error {
	s.failed = m.scrapeErrors.WithLabelValues(source)
	s.busy = make(chan struct{}, 1)
	if err := m.Registry.Register(s); err != nil {
		return fmt.Errorf("register %s: %w", source, err)
	}
	return nil
}

func queueDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

func gauge(desc *prometheus.Desc, value float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
}

// scraper is a collector that asks somebody at each scrape.
type scraper struct {
	descs  []*prometheus.Desc
	read   func(context.Context) ([]prometheus.Metric, error)
	failed prometheus.Counter
	// busy holds a token while a read is under way.
	busy chan struct{}
}

// Describe tells the registry what Collect may send.
func (s *scraper) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		ch <- d
	}
}

// Collect sends the present state, or counts why it cannot.
func (s *scraper) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	select {
	case s.busy <- struct{}{}:
	case <-ctx.Done():
		s.failed.Inc()
		return
	}

	// The read runs aside, so that one which ignores its context cannot hold the
	// scrape. The channel takes its result even when nobody waits any more.
	type result struct {
		metrics []prometheus.Metric
		err     error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-s.busy }()
		metrics, err := s.read(ctx)
		done <- result{metrics, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			s.failed.Inc()
			return
		}
		for _, m := range r.metrics {
			ch <- m
		}
	case <-ctx.Done():
		s.failed.Inc()
	}
}
