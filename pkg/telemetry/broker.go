package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// storeMaxAge is how long scrapes reuse a reading of the store and of the registered workers.
const storeMaxAge = 10 * time.Second

// checkTimeout is shorter than scrapeTimeout, so that a NATS that does not respond shows as not ready instead of as a gap.
const checkTimeout = scrapeTimeout * 3 / 4

// Broker reports on the connection to NATS. Scrapes call it.
type Broker interface {
	// Connection returns the state of the connection without blocking.
	Connection() (connected bool, reconnects uint64)
	// Check returns nil when the process can do its work.
	Check(ctx context.Context) error
}

// SetBroker sets what the NATS metrics are read from. Until then the process shows as neither connected nor ready.
func (m *Metrics) SetBroker(b Broker) { m.broker.Store(&b) }

// registerBroker registers the metrics read from SetBroker's argument. They exist from the start, because alerts must
// see a process that is still waiting for NATS.
func (m *Metrics) registerBroker() error {
	connected := m.desc(programBoth, "nats_connected", "Whether this process is connected to NATS.")
	ready := m.desc(programBoth, "ready", "Whether this process can use NATS: connected, the disk takes writes, all streams exist. While it is 0, /readyz answers 503.")
	const help = "Times the connection to NATS was lost and came back."
	reconnects := prometheus.NewDesc(m.describe(programBoth, "counter", "nats_reconnects_total", help), help, nil, nil)
	return m.register("broker", &scraper{
		descs: []*prometheus.Desc{connected, ready, reconnects},
		read: func(ctx context.Context) ([]prometheus.Metric, error) {
			var isConnected, isReady bool
			var times uint64
			if b := m.broker.Load(); b != nil {
				ctx, cancel := context.WithTimeout(ctx, checkTimeout)
				defer cancel()
				isConnected, times = (*b).Connection()
				isReady = (*b).Check(ctx) == nil
			}
			return []prometheus.Metric{
				gauge(connected, boolean(isConnected)), gauge(ready, boolean(isReady)),
				prometheus.MustNewConstMetric(reconnects, prometheus.CounterValue, float64(times)),
			}, nil
		},
	})
}

// StoreSample is what JetStream stores at one moment.
type StoreSample struct {
	Streams []StreamSample
	// FileBytes and MemoryBytes are the use of all streams together, replicas included. A limit is 0 when unknown.
	FileBytes, FileLimit, MemoryBytes, MemoryLimit uint64
	// DiskFree and DiskSize describe the file system of an embedded NATS; both are 0 with an external one.
	DiskFree, DiskSize uint64
}

// StreamSample is what one stream stores. A limit is 0 when there is none.
type StreamSample struct {
	Name                  string
	Bytes, Messages       uint64
	MaxBytes, MaxMessages uint64
}

// RegisterStore registers the metrics of the store. Scrapes call read at most once every ten seconds; failures are handled
// as in RegisterQueue.
func (m *Metrics) RegisterStore(read func(context.Context) (StoreSample, error)) error {
	streamBytes := m.desc(programAPI, "store_stream_bytes", "Bytes that a stream holds."+shared, "stream")
	streamMessages := m.desc(programAPI, "store_stream_messages", "Messages that a stream holds."+shared, "stream")
	maxBytes := m.desc(programAPI, "store_stream_max_bytes", "Bytes that a stream may hold; absent without a limit."+shared, "stream")
	maxMessages := m.desc(programAPI, "store_stream_max_messages", "Messages that a stream may hold; absent without a limit."+shared, "stream")
	used := m.desc(programAPI, "store_used_bytes", "Bytes that all streams use, by storage: file or memory."+shared, "storage")
	limit := m.desc(programAPI, "store_max_bytes", "Bytes that all streams may use, by storage; absent when no limit is known."+shared, "storage")
	free := m.desc(programAPI, "store_disk_free_bytes", "Free bytes of the file system with the store of an embedded NATS; absent with an external one.")
	size := m.desc(programAPI, "store_disk_size_bytes", "Size of that file system.")
	return m.register("store", &scraper{
		maxAge: storeMaxAge,
		descs:  []*prometheus.Desc{streamBytes, streamMessages, maxBytes, maxMessages, used, limit, free, size},
		read: convert(read, func(sample StoreSample) []prometheus.Metric {
			metrics := []prometheus.Metric{
				gauge(used, float64(sample.FileBytes), "file"), gauge(used, float64(sample.MemoryBytes), "memory"),
			}
			// A limit of 0 is unknown.
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
			return metrics
		}),
	})
}

// WorkerSample describes the workers of one kind of job.
type WorkerSample struct {
	Kind string
	// Workers is the number of live workers, Slots the number of jobs of the kind that they can run at once.
	Workers, Slots int
	// Paused reports whether an operator has paused the kind.
	Paused bool
}

// RegisterWorkers registers the metrics of the workers. Scrapes call read at most once every ten seconds; it returns a
// sample for every kind of job, including those without workers. Failures are handled as in RegisterQueue.
func (m *Metrics) RegisterWorkers(read func(context.Context) ([]WorkerSample, error)) error {
	workers := m.desc(programAPI, "workers_registered", "Workers that accept jobs of a kind and reported within the last 30 seconds."+shared, "kind")
	slots := m.desc(programAPI, "worker_slots_registered", "Jobs of a kind that those workers can run at once."+shared, "kind")
	paused := m.desc(programAPI, "kind_paused", "Whether an operator has paused a kind of job."+shared, "kind")
	return m.register("workers", &scraper{
		maxAge: storeMaxAge,
		descs:  []*prometheus.Desc{workers, slots, paused},
		read: convert(read, func(samples []WorkerSample) []prometheus.Metric {
			var metrics []prometheus.Metric
			for _, s := range samples {
				metrics = append(metrics, gauge(workers, float64(s.Workers), s.Kind), gauge(slots, float64(s.Slots), s.Kind),
					gauge(paused, boolean(s.Paused), s.Kind))
			}
			return metrics
		}),
	})
}

func boolean(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
