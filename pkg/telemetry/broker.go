package telemetry

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// storeMaxAge is for how long one reading of the store and of the registered workers serves scrapes.
const storeMaxAge = 10 * time.Second

// readyLimit bounds the check of a scrape, so that a NATS that does not answer shows as not ready instead of no value.
const readyLimit = scrapeTimeout * 3 / 4

// Broker is what scrapes ask about NATS.
type Broker interface {
	// Connection returns the state of the connection without blocking.
	Connection() (connected bool, reconnects uint64)
	// Check returns nil when the process can do its work.
	Check(ctx context.Context) error
}

// SetBroker says what scrapes ask about NATS. Until then the process counts as neither connected nor ready.
func (m *Metrics) SetBroker(b Broker) { m.broker.Store(&b) }

// registerBroker registers what SetBroker gives values to. A process that waits for NATS at its start has none to ask yet,
// and is the one that an alert must see.
func (m *Metrics) registerBroker() error {
	connected := m.desc(programBoth, "nats_connected", "Whether this process is connected to NATS.")
	ready := m.desc(programBoth, "ready", "Whether this process can use NATS: connected, the disk takes writes, all streams exist. While it is 0, /readyz answers 503.")
	const help = "Times the connection to NATS was lost and came back."
	reconnects := prometheus.NewDesc(m.describe(programBoth, "counter", "nats_reconnects_total", help), help, nil, nil)
	return m.register("broker", &scraper{
		descs: []*prometheus.Desc{connected, ready, reconnects},
		read: func(ctx context.Context) ([]prometheus.Metric, error) {
			var there, able bool
			var times uint64
			if b := m.broker.Load(); b != nil {
				ctx, cancel := context.WithTimeout(ctx, readyLimit)
				defer cancel()
				there, times = (*b).Connection()
				able = (*b).Check(ctx) == nil
			}
			return []prometheus.Metric{
				gauge(connected, boolean(there)), gauge(ready, boolean(able)),
				prometheus.MustNewConstMetric(reconnects, prometheus.CounterValue, float64(times)),
			}, nil
		},
	})
}

// StoreSample is what JetStream stores at one moment.
type StoreSample struct {
	Streams []StreamSample
	// FileBytes and MemoryBytes are what all streams together use, replicas included; the limits are 0 when none is known.
	FileBytes, FileLimit, MemoryBytes, MemoryLimit uint64
	// DiskFree and DiskSize are of the file system of an embedded NATS; both are 0 with an external one.
	DiskFree, DiskSize uint64
}

// StreamSample is what one stream holds. Limits are 0 when there is none.
type StreamSample struct {
	Name                  string
	Bytes, Messages       uint64
	MaxBytes, MaxMessages uint64
}

// RegisterStore has read called for a scrape, once in ten seconds at the most, and shows what it returns. The rules of
// RegisterQueue hold otherwise.
func (m *Metrics) RegisterStore(read func(context.Context) (StoreSample, error)) error {
	streamBytes := m.desc(programAPI, "store_stream_bytes", "Bytes that a stream holds."+shared, "stream")
	streamMessages := m.desc(programAPI, "store_stream_messages", "Messages that a stream holds."+shared, "stream")
	maxBytes := m.desc(programAPI, "store_stream_max_bytes", "Bytes that a stream may hold; absent without a limit."+shared, "stream")
	maxMessages := m.desc(programAPI, "store_stream_max_messages", "Messages that a stream may hold; absent without a limit."+shared, "stream")
	used := m.desc(programAPI, "store_used_bytes", "Bytes that all streams use, by storage: file or memory."+shared, "storage")
	limit := m.desc(programAPI, "store_max_bytes", "Bytes that all streams may use, by storage; absent when NATS does not tell a limit."+shared, "storage")
	free := m.desc(programAPI, "store_disk_free_bytes", "Free bytes of the file system with the store of an embedded NATS; absent with an external one.")
	size := m.desc(programAPI, "store_disk_size_bytes", "Size of that file system.")
	return m.register("store", &scraper{
		maxAge: storeMaxAge,
		descs:  []*prometheus.Desc{streamBytes, streamMessages, maxBytes, maxMessages, used, limit, free, size},
		read: func(ctx context.Context) ([]prometheus.Metric, error) {
			sample, err := read(ctx)
			if err != nil {
				return nil, err
			}
			metrics := []prometheus.Metric{
				gauge(used, float64(sample.FileBytes), "file"), gauge(used, float64(sample.MemoryBytes), "memory"),
			}
			// A limit or size of 0 means that none is known.
			known := func(desc *prometheus.Desc, value uint64, labels ...string) {
				if value > 0 {
					metrics = append(metrics, gauge(desc, float64(value), labels...))
				}
			}
			known(limit, sample.FileLimit, "file")
			known(limit, sample.MemoryLimit, "memory")
			if sample.DiskSize > 0 {
				metrics = append(metrics, gauge(free, float64(sample.DiskFree)), gauge(size, float64(sample.DiskSize)))
			}
			for _, s := range sample.Streams {
				metrics = append(metrics, gauge(streamBytes, float64(s.Bytes), s.Name), gauge(streamMessages, float64(s.Messages), s.Name))
				known(maxBytes, s.MaxBytes, s.Name)
				known(maxMessages, s.MaxMessages, s.Name)
			}
			return metrics, nil
		},
	})
}

// WorkerSample is how many workers there are for a kind of job.
type WorkerSample struct {
	Kind string
	// Workers that are alive, and how many jobs of the kind they run at once.
	Workers, Slots int
	// Paused says that an operator has paused the kind.
	Paused bool
}

// RegisterWorkers has read called for a scrape, once in ten seconds at the most, for every kind of job, those without
// workers included.
func (m *Metrics) RegisterWorkers(read func(context.Context) ([]WorkerSample, error)) error {
	workers := m.desc(programAPI, "workers_registered", "Workers that take jobs of a kind and reported within the last 30 seconds."+shared, "kind")
	slots := m.desc(programAPI, "worker_slots_registered", "Jobs of a kind that those workers can run at once."+shared, "kind")
	paused := m.desc(programAPI, "kind_paused", "Whether an operator has paused a kind of job."+shared, "kind")
	return m.register("workers", &scraper{
		maxAge: storeMaxAge,
		descs:  []*prometheus.Desc{workers, slots, paused},
		read: func(ctx context.Context) ([]prometheus.Metric, error) {
			samples, err := read(ctx)
			if err != nil {
				return nil, fmt.Errorf("read workers: %w", err)
			}
			var metrics []prometheus.Metric
			for _, s := range samples {
				metrics = append(metrics, gauge(workers, float64(s.Workers), s.Kind), gauge(slots, float64(s.Slots), s.Kind),
					gauge(paused, boolean(s.Paused), s.Kind))
			}
			return metrics, nil
		},
	})
}

func boolean(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
