package telemetry

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// other replaces unknown label values. Without it a client that invents methods, or
// an upstream that invents statuses, would create new series.
const other = "other"

// Sample sets the fraction of requests and calls, from 0 to 1, whose duration
// ObserveHTTP and ObserveUpstream measure; the default is 1. Call it before them.
func (m *Metrics) Sample(rate float64) { m.sampleRate = rate }

// sampled reports whether to measure this duration.
func (m *Metrics) sampled() bool {
	return m.sampleRate >= 1 || rand.Float64() < m.sampleRate //nolint:gosec // Sampling needs no secure randomness.
}

// LongRequest is the kind of a request that is slow by design; it is empty for ordinary requests.
type LongRequest string

// The kinds of requests that are slow by design. Their duration is unrelated to the latency of the API.
const (
	// LongWait waits for a job with ?wait= or Prefer: wait.
	LongWait LongRequest = "wait"
	// LongSync is a synchronous generation.
	LongSync LongRequest = "sync"
	// LongStream is an event stream.
	LongStream LongRequest = "stream"
	// LongBackup downloads a backup.
	LongBackup LongRequest = "backup"
)

// ObserveHTTP counts a request and measures its duration. The route is the pattern
// that matched, never the path, and empty if none did. Long requests have a
// histogram of their own.
func (m *Metrics) ObserveHTTP(route, method string, status int, long LongRequest, took time.Duration) {
	if route == "" {
		route = "unmatched"
	}
	method = methodLabel(method)
	m.HTTPRequests.WithLabelValues(route, method, statusLabel(status)).Inc()
	if !m.sampled() {
		return
	}
	if long != "" {
		m.HTTPLongDuration.WithLabelValues(route, method, string(long)).Observe(took.Seconds())
		return
	}
	m.HTTPDuration.WithLabelValues(route, method).Observe(took.Seconds())
}

// ObserveEnd counts a terminal record. The reason is the error code of a failed job and empty otherwise.
func (m *Metrics) ObserveEnd(kind, outcome, reason string, took time.Duration) {
	m.JobsFinished.WithLabelValues(kind, outcome).Inc()
	m.EndToEnd.WithLabelValues(kind, outcome).Observe(max(0, took.Seconds()))
	if reason != "" {
		m.DeadLetters.WithLabelValues(kind, reason).Inc()
	}
}

// ObserveUpstream counts a call to an upstream and measures its duration. The status
// is 0, shown as "error", when there was no response.
func (m *Metrics) ObserveUpstream(upstream string, status int, took time.Duration) {
	label := "error"
	if status != 0 {
		label = statusLabel(status)
	}
	m.UpstreamRequests.WithLabelValues(upstream, label).Inc()
	if !m.sampled() {
		return
	}
	m.UpstreamDuration.WithLabelValues(upstream).Observe(took.Seconds())
}

// ObserveCircuit sets the state of an upstream's circuit breaker.
func (m *Metrics) ObserveCircuit(upstream, state string) {
	for _, known := range []string{"closed", "open", "half_open"} {
		value := 0.0
		if known == state {
			value = 1
		}
		m.UpstreamCircuit.WithLabelValues(upstream, known).Set(value)
	}
}

// writeStored is the result of a successful publish, the only one whose duration is measured.
const writeStored = "stored"

// ObserveWrite counts a publish to a JetStream stream by its result: stored, conflict, full or failed. Only the duration of
// stored ones is measured.
func (m *Metrics) ObserveWrite(stream, result string, took time.Duration) {
	m.StoreWrites.WithLabelValues(stream, result).Inc()
	if result == writeStored {
		m.StoreWriteDuration.WithLabelValues(stream).Observe(took.Seconds())
	}
}

// ObserveSync measures an fsync of group commit. Those of a start or stop, without a stream, are left out.
func (m *Metrics) ObserveSync(stream, _ string, _ int64, took time.Duration) {
	if stream != "" {
		m.StoreSyncDuration.WithLabelValues(stream).Observe(took.Seconds())
	}
}

// The results of ObserveEmail.
const (
	EmailSent     = "sent"
	EmailRejected = "rejected"
	EmailFailed   = "failed"
)

// ObserveEmail counts an attempt to hand an email to the mail server.
func (m *Metrics) ObserveEmail(template, result string) {
	m.Emails.WithLabelValues(template, result).Inc()
}

// InitAPI creates, at zero, the series of the API that alerts use: increase() and rate() do not see the first failure of a
// series that starts with it. The arguments are all kinds, lanes, quota policies and email templates.
func (m *Metrics) InitAPI(kinds, lanes, policies, templates []string) {
	m.initFinished(kinds)
	for _, kind := range kinds {
		for _, lane := range lanes {
			m.JobsSubmitted.WithLabelValues(kind, lane)
		}
	}
	for _, lane := range lanes {
		for _, policy := range policies {
			m.QuotaRefusals.WithLabelValues(policy, lane)
		}
	}
	for _, template := range templates {
		for _, result := range []string{EmailSent, EmailRejected, EmailFailed} {
			m.Emails.WithLabelValues(template, result)
		}
	}
	for _, status := range []int{http.StatusOK, http.StatusAccepted, http.StatusInternalServerError, http.StatusServiceUnavailable} {
		m.HTTPRequests.WithLabelValues("/api/jobs", http.MethodPost, strconv.Itoa(status))
	}
	m.Panics.WithLabelValues("http")
}

// InitWorker is InitAPI for a worker. The reasons are the error codes that open a circuit breaker.
func (m *Metrics) InitWorker(kinds, upstreams, reasons []string) {
	m.initFinished(kinds)
	for _, kind := range kinds {
		for _, reason := range []string{"first", "retry", "throttled", "crash"} {
			m.Attempts.WithLabelValues(kind, reason)
		}
		m.Redeliveries.WithLabelValues(kind)
	}
	for _, upstream := range upstreams {
		m.UpstreamRetryAfter.WithLabelValues(upstream)
		for _, reason := range reasons {
			m.UpstreamTrips.WithLabelValues(upstream, reason)
		}
	}
	m.Panics.WithLabelValues("processor")
}

func (m *Metrics) initFinished(kinds []string) {
	for _, kind := range kinds {
		for _, outcome := range []string{"succeeded", "failed", "canceled"} {
			m.JobsFinished.WithLabelValues(kind, outcome)
		}
		// The others are two dozen series each, which nothing needs before there is such a job.
		m.EndToEnd.WithLabelValues(kind, "succeeded")
	}
}

func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch,
		http.MethodDelete, http.MethodOptions:
		return method
	}
	return other
}

func statusLabel(status int) string {
	if status < 100 || status > 599 {
		return other
	}
	return strconv.Itoa(status)
}
