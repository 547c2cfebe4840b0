package telemetry

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTimeout bounds what a scrape asks the broker; Prometheus itself gives up
// after ten seconds unless told otherwise.
const scrapeTimeout = 2 * time.Second

func (m *Metrics) register(source string, s *scraper) error {
	s.failed = m.scrapeErrors.WithLabelValues(source)
	s.busy = make(chan struct{}, 1)
	if err := m.Registry.Register(s); err != nil {
		return fmt.Errorf("register %s: %w", source, err)
	}
	return nil
}

// scraper is a collector that asks somebody at each scrape.
type scraper struct {
	descs  []*prometheus.Desc
	read   func(context.Context) ([]prometheus.Metric, error)
	failed prometheus.Counter
	// maxAge is for how long a result is shown again instead of asking anew, so that several Prometheus servers, or a short
	// scrape interval, cost the broker nothing more.
	maxAge time.Duration
	// busy holds a token while a read is under way.
	busy chan struct{}

	mu   sync.Mutex
	last []prometheus.Metric
	at   time.Time
}

// Describe tells the registry what Collect may send.
func (s *scraper) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.descs {
		ch <- d
	}
}

// Collect sends the present state, or counts why it cannot.
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

// recent returns the last result while it is not too old.
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
