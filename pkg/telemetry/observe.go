package telemetry

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// other stands for every label value beyond the known ones. Without it a stranger
// who invents methods, or an upstream that invents statuses, makes new series.
const other = "other"

// Sample has ObserveHTTP and ObserveUpstream measure the duration of a share of what
// they count, from 0 to 1; they begin with 1. It is to be called before they are.
func (m *Metrics) Sample(rate float64) { m.sampleRate = rate }

// sampled reports whether the duration at hand is one that is measured.
func (m *Metrics) sampled() bool {
	return m.sampleRate >= 1 || rand.Float64() < m.sampleRate //nolint:gosec // It decides nothing but what is measured.
}

// LongRequest says why a request takes long on purpose; the zero value is an ordinary request.
type LongRequest string

// The requests that take long on purpose, whose time says nothing about the API's latency.
const (
	// LongWait waits for a job with ?wait= or Prefer: wait.
	LongWait LongRequest = "wait"
	// LongSync is a synchronous generation.
	LongSync LongRequest = "sync"
	// LongStream is an event stream.
	LongStream LongRequest = "stream"
	// LongBackup downloads everything that is stored.
	LongBackup LongRequest = "backup"
)

// ObserveHTTP counts an answered request. Route is the pattern that matched, never
// the path; nothing for no match. The duration of a request that waits on purpose is
// measured apart from that of ordinary requests.
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

// ObserveEnd counts a terminal record. The reason is an error's code, nothing for a job that did not fail.
func (m *Metrics) ObserveEnd(kind, outcome, reason string, took time.Duration) {
	m.JobsFinished.WithLabelValues(kind, outcome).Inc()
	m.EndToEnd.WithLabelValues(kind, outcome).Observe(max(0, took.Seconds()))
	if reason != "" {
		m.DeadLetters.WithLabelValues(kind, reason).Inc()
	}
}

// ObserveUpstream counts a call to an upstream. A status of 0 means that no answer
// came and is shown as "error".
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

// ObserveCircuit shows the state in which an upstream is.
func (m *Metrics) ObserveCircuit(upstream, state string) {
	for _, known := range []string{"closed", "open", "half_open"} {
		value := 0.0
		if known == state {
			value = 1
		}
		m.UpstreamCircuit.WithLabelValues(upstream, known).Set(value)
	}
}

// writeStored is the result of a publish whose duration is measured.
const writeStored = "stored"

// ObserveWrite counts a publish to a stream of JetStream by its result: stored, conflict, full or failed. The duration is
// measured of those that were stored.
func (m *Metrics) ObserveWrite(stream, result string, took time.Duration) {
	m.StoreWrites.WithLabelValues(stream, result).Inc()
	if result == writeStored {
		m.StoreWriteDuration.WithLabelValues(stream).Observe(took.Seconds())
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

// InitAPI makes the series exist at zero that alerts of the API are about: a series that begins with its first failure hides
// that one from increase() and rate(). Kinds, lanes, quota policies and email templates are the known ones.
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

// InitWorker does what InitAPI does for the series of a worker. Reasons are the error codes that open a circuit breaker.
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
			m.EndToEnd.WithLabelValues(kind, outcome)
		}
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
