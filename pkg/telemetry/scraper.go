package telemetry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTimeout bounds each read of a scrape; Prometheus gives up after ten seconds
// by default.
const scrapeTimeout = 2 * time.Second

func (m *Metrics) register(source string, s *scraper) error {
	s.failed = m.scrapeErrors.WithLabelValues(source)
	s.busy = make(chan struct{}, 1)
	if err := m.Registry.Register(s); err != nil {
		return fmt.Errorf("register %s: %w", source, err)
	}
	return nil
}

// convert returns a read of metrics from a read of a sample.
func convert[T any](read func(context.Context) (T, error), metrics func(T) []prometheus.Metric) func(context.Context) ([]prometheus.Metric, error) {
	return func(ctx context.Context) ([]prometheus.Metric, error) {
		sample, err := read(ctx)
		if err != nil {
			return nil, err
		}
		return metrics(sample), nil
	}
}

// scraper is a collector that reads its metrics at each scrape.
type scraper struct {
	descs  []*prometheus.Desc
	read   func(context.Context) ([]prometheus.Metric, error)
	failed prometheus.Counter
	// maxAge is how long a result is reused, so that several Prometheus servers or a short scrape interval do not load
	// the broker.
	maxAge time.Duration
	// busy holds a token while a read runs.
	busy chan struct{}

	mu   sync.Mutex
	last []prometheus.Metric
	at   time.Time
}

// Describe sends the descriptors of the metrics that Collect may send.
func (s *scraper) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		ch <- d
	}
}

// Collect sends the current metrics, or counts a failure.
func (s *scraper) Collect(ch chan<- prometheus.Metric) {
	if metrics, ok := s.recent(); ok {
		send(ch, metrics)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	select {
	case s.busy <- struct{}{}:
	case <-ctx.Done():
		s.failed.Inc()
		return
	}

	// A read that ignores its context must not block the scrape. The channel is
	// buffered so that such a read can still end.
	type result struct {
		metrics []prometheus.Metric
		err     error
	}
	done := make(chan result, 1)
	go func() {
		defer func() { <-s.busy }()
		metrics, err := s.read(ctx)
		if err == nil {
			s.keep(metrics)
		}
		done <- result{metrics, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			s.failed.Inc()
			return
		}
		send(ch, r.metrics)
	case <-ctx.Done():
		s.failed.Inc()
	}
}

// recent returns the last result unless it is older than maxAge.
func (s *scraper) recent() ([]prometheus.Metric, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last, s.last != nil && time.Since(s.at) < s.maxAge
}

func (s *scraper) keep(metrics []prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.at = metrics, time.Now()
}

func send(ch chan<- prometheus.Metric, metrics []prometheus.Metric) {
	for _, m := range metrics {
		ch <- m
	}
}
