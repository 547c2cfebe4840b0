package telemetry

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// namespace is the prefix of every metric of this project.
const namespace = "text2image"

// The ways to the copy of a result, see Metrics.CachedResults.
const (
	CacheHit    = "hit"
	CacheJoined = "joined"
)

// Metrics holds the metrics of one process and their registry. The comment of a
// field lists its labels in order. All fields are safe for concurrent use; an update
// takes well under a microsecond. A wrong number of labels panics, as everywhere in
// the Prometheus client.
type Metrics struct {
	// Registry gathers the metrics below and those of the Go runtime and the process.
	Registry *prometheus.Registry

	// JobsSubmitted counts accepted jobs. Labels: kind, lane.
	JobsSubmitted *prometheus.CounterVec
	// UploadedBytes counts the bytes of uploaded reference images.
	UploadedBytes prometheus.Counter
	// JobsFinished counts terminal records. Labels: kind, outcome (succeeded, failed, canceled).
	JobsFinished *prometheus.CounterVec
	// QueueWait is the time from submission to the first attempt. Labels: kind.
	QueueWait *prometheus.HistogramVec
	// RunDuration is the duration of one attempt. Labels: kind.
	RunDuration *prometheus.HistogramVec
	// EndToEnd is the time from submission to the terminal record. Labels: kind, outcome.
	EndToEnd *prometheus.HistogramVec
	// Attempts counts started attempts. Labels: kind, reason (first, retry, throttled, crash).
	Attempts *prometheus.CounterVec
	// AttemptOutcomes counts finished attempts. Labels: kind, outcome (an error class, or succeeded).
	AttemptOutcomes *prometheus.CounterVec
	// Redeliveries counts deliveries after the first one. Labels: kind.
	Redeliveries *prometheus.CounterVec
	// CachedResults counts jobs that have a copy of the result of an identical one. Labels: kind, result (CacheHit, CacheJoined).
	CachedResults *prometheus.CounterVec
	// SettleConflicts counts terminal records dropped because the job already had one. Labels: kind.
	SettleConflicts *prometheus.CounterVec
	// DeadLetters counts dead letters written. Labels: kind, reason (an error code).
	DeadLetters *prometheus.CounterVec
	// SweeperEnded counts jobs that the sweeper ended because their deadline had passed. Labels: kind.
	SweeperEnded *prometheus.CounterVec
	// SweeperLeads is 1 in the process that runs the sweeper and 0 in the others.
	SweeperLeads prometheus.Gauge
	// WorkerSlots is the number of slots of a pool. Labels: pool, state (busy, free).
	WorkerSlots *prometheus.GaugeVec
	// MediaBytes counts bytes of stored media. Labels: kind.
	MediaBytes *prometheus.CounterVec
	// Emails counts attempts to hand an email to the mail server; prefer ObserveEmail. Labels: template, result (sent, rejected, failed).
	Emails *prometheus.CounterVec
	// WebhookDeliveries counts attempts to send an event to a webhook. Labels: outcome (delivered, retry, failed, disabled).
	WebhookDeliveries *prometheus.CounterVec

	// UpstreamRequests counts calls to an upstream; prefer ObserveUpstream. Labels: upstream, status.
	UpstreamRequests *prometheus.CounterVec
	// UpstreamDuration is the duration of a call to an upstream. Labels: upstream.
	UpstreamDuration *prometheus.HistogramVec
	// UpstreamCircuit is 1 for the state an upstream is in and 0 for the others; prefer ObserveCircuit. Labels: upstream,
	// state (closed, open, half_open).
	UpstreamCircuit *prometheus.GaugeVec
	// UpstreamTrips counts how often this process opened the circuit breaker of an upstream. Labels: upstream, reason (an
	// error code).
	UpstreamTrips *prometheus.CounterVec
	// UpstreamRetryAfter is the pause that an upstream requested. Labels: upstream.
	UpstreamRetryAfter *prometheus.HistogramVec
	// HTTPRequests counts answered requests; prefer ObserveHTTP. Labels: route, method, status.
	HTTPRequests *prometheus.CounterVec
	// HTTPDuration is the time to the end of the response, except for long requests. Labels: route, method.
	HTTPDuration *prometheus.HistogramVec
	// HTTPLongDuration is the same for long requests: see LongRequest. Labels: route, method, mode (wait, sync, stream, backup).
	HTTPLongDuration *prometheus.HistogramVec
	// QuotaRefusals counts submissions rejected because of a quota. Labels: policy (minute, day, address, key-minute, key-day,
	// and the same prefixed with text-), lane.
	QuotaRefusals *prometheus.CounterVec
	// StoreWrites counts publishes to JetStream; prefer ObserveWrite. Labels: stream, result (stored, conflict, full, failed).
	StoreWrites *prometheus.CounterVec
	// StoreWriteDuration is the time until JetStream acknowledged a publish. Labels: stream.
	StoreWriteDuration *prometheus.HistogramVec
	// StoreSyncDuration is the time of an fsync of group commit; prefer ObserveSync. Labels: stream.
	StoreSyncDuration *prometheus.HistogramVec
	// StreamsOpen is the number of open event streams.
	StreamsOpen prometheus.Gauge
	// SlowReadersDropped counts event streams closed because the client did not keep up.
	SlowReadersDropped prometheus.Counter
	// Panics counts recovered panics. Labels: where.
	Panics *prometheus.CounterVec

	scrapeErrors *prometheus.CounterVec
	// sampleRate is the fraction of requests and calls whose duration is measured.
	sampleRate float64
	// broker is set by SetBroker.
	broker atomic.Pointer[Broker]

	mu sync.Mutex
	// descriptions describe the metrics registered so far.
	descriptions []Description
}
