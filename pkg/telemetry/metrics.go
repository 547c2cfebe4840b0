package telemetry

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
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
	// EndToEnd is the time from submission to the terminal record. Labels: kind.
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
	// HTTPRequests counts answered requests; prefer ObserveHTTP. Labels: route, method, status.
	HTTPRequests *prometheus.CounterVec
	// HTTPDuration is the time to the end of the answer. Labels: route, method.
	HTTPDuration *prometheus.HistogramVec
	// QuotaRefusals counts submissions that were more than was left of a quota. Labels: window (minute, day, address, and
	// the same with text- before), lane.
	QuotaRefusals *prometheus.CounterVec
	// StreamsOpen is the number of open event streams.
	StreamsOpen prometheus.Gauge
	// SlowReadersDropped counts streams ended because their reader did not keep up.
	SlowReadersDropped prometheus.Counter
	// Panics counts recovered panics. Labels: where (a fixed word of the caller).
	Panics *prometheus.CounterVec

	scrapeErrors *prometheus.CounterVec
	// sampleRate is the share of requests and calls whose duration is measured.
	sampleRate float64
}

// NewMetrics returns the metrics of a process in a registry of their own. It never
// fails; two of them in one process do not meet.
func NewMetrics() *Metrics {
	reg := prometheus.NewRegistry()
	f := factory{reg}
	m := &Metrics{
		Registry:   reg,
		sampleRate: 1,

		JobsSubmitted:   f.counters("jobs_submitted_total", "Jobs accepted.", "kind", "lane"),
		JobsFinished:    f.counters("jobs_finished_total", "Jobs that reached their terminal record.", "kind", "outcome"),
		QueueWait:       f.histograms("job_queue_wait_seconds", "Time from submission to the first attempt.", jobBuckets(), "kind"),
		RunDuration:     f.histograms("job_run_duration_seconds", "Time one attempt takes.", jobBuckets(), "kind"),
		EndToEnd:        f.histograms("job_end_to_end_seconds", "Time from submission to the terminal record.", longBuckets(), "kind"),
		Attempts:        f.counters("job_attempts_total", "Attempts started, by why.", "kind", "reason"),
		AttemptOutcomes: f.counters("job_attempt_outcomes_total", "Attempts ended, by class of outcome.", "kind", "outcome"),
		Redeliveries:    f.counters("job_redeliveries_total", "Deliveries after the first one.", "kind"),
		SettleConflicts: f.counters("job_settle_conflicts_total", "Terminal records that came second and were dropped.", "kind"),
		DeadLetters:     f.counters("dead_letters_total", "Jobs put among the dead letters.", "kind", "reason"),
		SweeperEnded:    f.counters("sweeper_ended_total", "Jobs past their deadline that the sweeper ended.", "kind"),
		SweeperLeads:    f.gauges("sweeper_leads", "Whether this process ends the jobs that are past their deadline.").WithLabelValues(),
		WorkerSlots:     f.gauges("worker_slots", "Jobs a pool can work at once, by state.", "pool", "state"),
		MediaBytes:      f.counters("media_bytes_total", "Bytes of stored media.", "kind"),

		UpstreamRequests:   f.counters("upstream_requests_total", "Calls to an upstream, by status.", "upstream", "status"),
		UpstreamDuration:   f.histograms("upstream_request_duration_seconds", "Time of a call to an upstream.", jobBuckets(), "upstream"),
		UpstreamCircuit:    f.gauges("upstream_circuit", "1 for the state an upstream is in.", "upstream", "state"),
		UpstreamTrips:      f.counters("upstream_trips_total", "Times an upstream was closed to everybody.", "upstream", "reason"),
		HTTPRequests:       f.counters("http_requests_total", "Requests answered.", "route", "method", "status"),
		HTTPDuration:       f.histograms("http_request_duration_seconds", "Time to the end of an answer.", requestBuckets(), "route", "method"),
		QuotaRefusals:      f.counters("quota_refusals_total", "Submissions that were more than was left of a quota.", "window", "lane"),
		StreamsOpen:        f.gauges("sse_streams_open", "Open event streams.").WithLabelValues(),
		SlowReadersDropped: f.counters("sse_slow_readers_dropped_total", "Streams ended because their reader did not keep up.").WithLabelValues(),
		Panics:             f.counters("panics_total", "Recovered panics.", "where"),

		scrapeErrors: f.counters("scrape_errors_total", "Reads for a scrape that failed or took too long.", "source"),
	}
	reg.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	ver, rev, _ := Version()
	f.gauges("build_info", "The running program; the value is always 1.", "version", "commit", "go_version").
		WithLabelValues(ver, rev, runtime.Version()).Set(1)
	return m
}

// factory makes registered metrics. Its names are literals, hence a failure to
// register is a mistake in NewMetrics and panics.
type factory struct{ reg *prometheus.Registry }

func (f factory) counters(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.reg.MustRegister(v)
	return v
}

func (f factory) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	v := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, labels)
	f.reg.MustRegister(v)
	return v
}

func (f factory) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
	f.reg.MustRegister(v)
	return v
}

// jobBuckets reach from a cached answer to a slow picture.
func jobBuckets() []float64 {
	return []float64{0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300}
}

// longBuckets go on to the default deadline of a job, an hour.
func longBuckets() []float64 { return append(jobBuckets(), 600, 1200, 1800, 3600) }

// requestBuckets reach from a local read to a synchronous generation.
func requestBuckets() []float64 {
	return []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 150, 300}
}
