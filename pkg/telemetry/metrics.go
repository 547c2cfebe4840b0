package telemetry

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// namespace is the first word of every metric of ours.
const namespace = "text2image"

// Metrics holds the metrics of one process and the registry they are in. The
// comment of a field names its labels in their order. All fields may be used from
// any goroutine; an update costs well under a microsecond. The wrong number of
// labels panics, as everywhere in the Prometheus client.
type Metrics struct {
	// Registry gathers everything below along with the Go runtime and the process.
	Registry *prometheus.Registry

	// JobsSubmitted counts accepted jobs. Labels: kind, lane.
	JobsSubmitted *prometheus.CounterVec
	// JobsFinished counts terminal records. Labels: kind, outcome (succeeded, failed, canceled).
	JobsFinished *prometheus.CounterVec
	// QueueWait is the time from submission to the first attempt. Labels: kind.
	QueueWait *prometheus.HistogramVec
	// RunDuration is the time one attempt takes. Labels: kind.
	RunDuration *prometheus.HistogramVec
	// EndToEnd is the time from submission to the terminal record. Labels: kind, outcome.
	EndToEnd *prometheus.HistogramVec
	// Attempts counts started attempts. Labels: kind, reason (first, retry, throttled, crash).
	Attempts *prometheus.CounterVec
	// AttemptOutcomes counts ended attempts. Labels: kind, outcome (a class of the fault table, or succeeded).
	AttemptOutcomes *prometheus.CounterVec
	// Redeliveries counts deliveries after the first one. Labels: kind.
	Redeliveries *prometheus.CounterVec
	// SettleConflicts counts terminal records that came second and were dropped. Labels: kind.
	SettleConflicts *prometheus.CounterVec
	// DeadLetters counts jobs put among the dead letters. Labels: kind, reason (an error code).
	DeadLetters *prometheus.CounterVec
	// SweeperEnded counts jobs that were ended for being past their deadline, by the process that looks for such. Labels: kind.
	SweeperEnded *prometheus.CounterVec
	// SweeperLeads is 1 in the process that looks for jobs past their deadline and 0 in others.
	SweeperLeads prometheus.Gauge
	// WorkerSlots is how many jobs a pool works at once. Labels: pool, state (busy, free).
	WorkerSlots *prometheus.GaugeVec
	// MediaBytes counts bytes of stored media. Labels: kind.
	MediaBytes *prometheus.CounterVec
	// Emails counts attempts to hand an email to the mail server; prefer ObserveEmail. Labels: template (a fixed word of the
	// caller), result (sent, rejected, failed).
	Emails *prometheus.CounterVec

	// UpstreamRequests counts calls to an upstream; prefer ObserveUpstream. Labels: upstream, status.
	UpstreamRequests *prometheus.CounterVec
	// UpstreamDuration is the time of such a call. Labels: upstream.
	UpstreamDuration *prometheus.HistogramVec
	// UpstreamCircuit is 1 for the state an upstream is in and 0 for the others; prefer ObserveCircuit. Labels: upstream,
	// state (closed, open, half_open).
	UpstreamCircuit *prometheus.GaugeVec
	// UpstreamTrips counts how often this process has closed an upstream to everybody. Labels: upstream, reason (an error
	// code).
	UpstreamTrips *prometheus.CounterVec
	// UpstreamRetryAfter is how long an upstream asked to be left alone. Labels: upstream.
	UpstreamRetryAfter *prometheus.HistogramVec
	// HTTPRequests counts answered requests; prefer ObserveHTTP. Labels: route, method, status.
	HTTPRequests *prometheus.CounterVec
	// HTTPDuration is the time to the end of the response of ordinary requests. Labels: route, method.
	HTTPDuration *prometheus.HistogramVec
	// HTTPLongDuration is the same for requests that take long on purpose. Labels: route, method, mode (wait, sync, stream, backup).
	HTTPLongDuration *prometheus.HistogramVec
	// QuotaRefusals counts submissions that were more than was left of a quota. Labels: policy (minute, day, address, and
	// the same with text- before), lane.
	QuotaRefusals *prometheus.CounterVec
	// StoreWrites counts publishes to JetStream; prefer ObserveWrite. Labels: stream, result (stored, conflict, full, failed).
	StoreWrites *prometheus.CounterVec
	// StoreWriteDuration is the time until JetStream acknowledged a publish. Labels: stream.
	StoreWriteDuration *prometheus.HistogramVec
	// StreamsOpen is the number of open event streams.
	StreamsOpen prometheus.Gauge
	// SlowReadersDropped counts streams ended because their reader did not keep up.
	SlowReadersDropped prometheus.Counter
	// Panics counts recovered panics. Labels: where (a fixed word of the caller).
	Panics *prometheus.CounterVec

	scrapeErrors *prometheus.CounterVec
	// sampleRate is the share of requests and calls whose duration is measured.
	sampleRate float64
	// broker is what SetBroker was given.
	broker atomic.Pointer[Broker]

	mu sync.Mutex
	// descriptions are those of every metric registered so far.
	descriptions []Description
}
