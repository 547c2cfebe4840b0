package telemetry

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The programs that export a metric. An API process with the embedded worker exports the metrics of both.
const (
	programAPI    = "api"
	programWorker = "worker"
	programBoth   = "api, worker"
)

// shared is appended to the help texts of gauges that every API process reads from NATS.
const shared = " Every API process exports the same value: aggregate with max, not sum."

// Description describes a metric, whether or not it has a value yet.
type Description struct {
	// Name is the full name, without the suffixes of a histogram's series.
	Name string
	// Type is counter, gauge or histogram.
	Type   string
	Labels []string
	// Programs lists the programs that export it.
	Programs string
	Help     string
}

// Unit returns the unit of the values according to the name: seconds, bytes or number.
func (d Description) Unit() string {
	name := strings.TrimSuffix(d.Name, "_total")
	for _, unit := range []string{"seconds", "bytes"} {
		if strings.HasSuffix(name, "_"+unit) {
			return unit
		}
	}
	return "number"
}

// Descriptions returns the metrics registered so far, sorted by name, without those of the Go runtime and the process.
func (m *Metrics) Descriptions() []Description {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.descriptions)
	slices.SortFunc(list, func(a, b Description) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// describe records the description of a metric and returns its full name.
func (m *Metrics) describe(program, kind, name, help string, labels ...string) string {
	full := prometheus.BuildFQName(namespace, "", name)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.descriptions = append(m.descriptions, Description{Name: full, Type: kind, Labels: labels, Programs: program, Help: help})
	return full
}

// NewMetrics returns the metrics of a process in a new registry. Several of them in
// one process are independent.
func NewMetrics() *Metrics {
	reg := prometheus.NewRegistry()
	m := &Metrics{Registry: reg, sampleRate: 1}
	m.registerJobs()
	m.registerUpstreams()
	m.registerHTTP()

	both := factory{m, programBoth}
	m.StoreWrites = both.counters("store_writes_total", "Publishes to a JetStream stream, by result: stored, conflict (another writer was first), full, or failed.", "stream", "result")
	m.StoreWriteDuration = both.histograms("store_write_duration_seconds", "Time until JetStream acknowledged a publish and it was durable: one round trip and, unless NATS_SYNC is an interval, a shared fsync.", storeBuckets(), "stream")
	m.StoreSyncDuration = both.histograms("store_sync_duration_seconds", "Duration of an fsync of the embedded NATS, which concurrent writes share: writes per sync are store_writes_total divided by the count of this.", storeBuckets(), "stream")
	m.Panics = both.counters("panics_total", "Recovered panics.", "where")
	m.scrapeErrors = both.counters("scrape_errors_total", "Reads for a scrape that failed or timed out; their gauges are missing from that scrape.", "source")
	if err := errors.Join(m.registerBroker(), m.registerProcess()); err != nil {
		// The names are constants, so this is a programming error.
		panic(err)
	}
	reg.MustRegister(collectors.NewGoCollector())
	ver, rev, _ := Version()
	both.gauges("build_info", "The running program; the value is always 1.", "version", "commit", "go_version").
		WithLabelValues(ver, rev, runtime.Version()).Set(1)
	return m
}

// processMaxAge is how long scrapes reuse a reading of the process, which takes nine files of /proc.
const processMaxAge = time.Second

// registerProcess registers the metrics of the process, those of the Prometheus client.
func (m *Metrics) registerProcess() error {
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	return m.register("process", &scraper{
		descs: all(process.Describe),
		read: func(context.Context) ([]prometheus.Metric, error) {
			return all(process.Collect), nil
		},
		maxAge: processMaxAge,
	})
}

// all returns what a method of a collector sends.
func all[T any](send func(chan<- T)) []T {
	sent := make(chan T)
	go func() {
		defer close(sent)
		send(sent)
	}()
	var list []T
	for one := range sent {
		list = append(list, one)
	}
	return list
}

func (m *Metrics) registerJobs() {
	api, worker, both := factory{m, programAPI}, factory{m, programWorker}, factory{m, programBoth}
	m.JobsSubmitted = api.counters("jobs_submitted_total", "Jobs accepted.", "kind", "lane")
	m.UploadedBytes = api.counters("uploaded_bytes_total", "Bytes of images uploaded as reference images.").WithLabelValues()
	m.JobsFinished = both.counters("jobs_finished_total", "Jobs that reached their terminal record.", "kind", "outcome")
	m.CachedResults = both.counters("cached_results_total", "Jobs that ended with a copy of the result of an identical job, without a call to an upstream: hit if that had ended before the submission or the first delivery, joined if they waited for it.", "kind", "result")
	m.QueueWait = worker.histograms("job_queue_wait_seconds", "Time from submission to the first attempt.", jobBuckets(), "kind")
	m.RunDuration = worker.histograms("job_run_duration_seconds", "Duration of one attempt.", jobBuckets(), "kind")
	m.EndToEnd = both.histograms("job_end_to_end_seconds", "Time from submission to the terminal record.", longBuckets(), "kind", "outcome")
	m.Attempts = worker.counters("job_attempts_total", "Attempts started, by reason: first, retry, throttled, or crash (the previous worker was lost).", "kind", "reason")
	m.AttemptOutcomes = worker.counters("job_attempt_outcomes_total", "Attempts finished, by class of outcome.", "kind", "outcome")
	m.Redeliveries = worker.counters("job_redeliveries_total", "Deliveries after the first one.", "kind")
	m.SettleConflicts = worker.counters("job_settle_conflicts_total", "Terminal records dropped because the job already had one.", "kind")
	m.DeadLetters = both.counters("dead_letters_total", "Dead letters written, by error code.", "kind", "reason")
	m.SweeperEnded = api.counters("sweeper_ended_total", "Jobs past their deadline that the sweeper ended.", "kind")
	m.SweeperLeads = api.gauges("sweeper_leads", "Whether this process ends the jobs that are past their deadline; exactly one API process does.").WithLabelValues()
	m.WorkerSlots = worker.gauges("worker_slots", "Jobs a pool of this worker can run at once, by state: busy or free.", "pool", "state")
	m.MediaBytes = worker.counters("media_bytes_total", "Bytes of stored media.", "kind")
}

func (m *Metrics) registerUpstreams() {
	worker := factory{m, programWorker}
	m.UpstreamRequests = worker.counters("upstream_requests_total", "Calls to an upstream, by HTTP status; error if there was no response.", "upstream", "status")
	m.UpstreamDuration = worker.histograms("upstream_request_duration_seconds", "Duration of a call to an upstream.", jobBuckets(), "upstream")
	m.UpstreamRetryAfter = worker.histograms("upstream_retry_after_seconds", "How long an upstream asked callers to wait, by Retry-After or in its error.", retryAfterBuckets(), "upstream")
	m.UpstreamCircuit = worker.gauges("upstream_circuit", "Circuit breaker of an upstream: 1 for the state it is in, 0 for the others. All workers share it: aggregate with max, not sum.", "upstream", "state")
	m.UpstreamTrips = worker.counters("upstream_trips_total", "Times this worker opened the circuit breaker of an upstream, by error code.", "upstream", "reason")
}

func (m *Metrics) registerHTTP() {
	api := factory{m, programAPI}
	m.HTTPRequests = api.counters("http_requests_total", "HTTP requests answered.", "route", "method", "status")
	m.HTTPDuration = api.histograms("http_request_duration_seconds", "Time to the end of the response, except for the requests in http_long_request_duration_seconds.", requestBuckets(), "route", "method")
	m.HTTPLongDuration = api.histograms("http_long_request_duration_seconds", "Time to the end of the response of requests that are slow by design: they wait for a job (wait, sync), stream events (stream) or download a backup (backup).", longBuckets(), "route", "method", "mode")
	m.QuotaRefusals = api.counters("quota_refusals_total", "Submissions rejected because of a quota.", "policy", "lane")
	m.StreamsOpen = api.gauges("sse_streams_open", "Open event streams (SSE clients) of this process.").WithLabelValues()
	m.SlowReadersDropped = api.counters("sse_slow_readers_dropped_total", "Event streams closed because the client did not keep up.").WithLabelValues()
	m.WebhookDeliveries = api.counters("webhook_deliveries_total", "Attempts to send an event to a webhook, by outcome: delivered, retry (it failed and is repeated), failed (it was the last), or disabled (the receiver answered 410).", "outcome")
	m.Emails = api.counters("emails_total", "Attempts to hand an email to the mail server, by result: sent, rejected (the recipient was refused), or failed.", "template", "result")
}

// factory creates and registers metrics. Their names are constants, so a failure to
// register is a programming error and panics.
type factory struct {
	m       *Metrics
	program string
}

func (f factory) counters(name, help string, labels ...string) *prometheus.CounterVec {
	full := f.m.describe(f.program, "counter", name, help, labels...)
	return promauto.With(f.m.Registry).NewCounterVec(prometheus.CounterOpts{Name: full, Help: help}, labels)
}

func (f factory) gauges(name, help string, labels ...string) *prometheus.GaugeVec {
	full := f.m.describe(f.program, "gauge", name, help, labels...)
	return promauto.With(f.m.Registry).NewGaugeVec(prometheus.GaugeOpts{Name: full, Help: help}, labels)
}

func (f factory) histograms(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	full := f.m.describe(f.program, "histogram", name, help, labels...)
	return promauto.With(f.m.Registry).NewHistogramVec(prometheus.HistogramOpts{Name: full, Help: help, Buckets: buckets}, labels)
}

// jobBuckets range from a cached response to a slow image.
func jobBuckets() []float64 {
	return []float64{0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300}
}

// longBuckets extend jobBuckets to the default deadline of a job, one hour.
func longBuckets() []float64 { return append(jobBuckets(), 600, 1200, 1800, 3600) }

// requestBuckets range from a local read to a slow upload or download.
func requestBuckets() []float64 {
	return []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}
}

// storeBuckets range from a write to memory to a stalled store.
func storeBuckets() []float64 {
	return []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
}

// retryAfterBuckets range from one second to one day, the longest Retry-After that is honored.
func retryAfterBuckets() []float64 {
	return []float64{1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600, 21600, 86400}
}
