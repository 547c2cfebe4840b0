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

// ObserveHTTP counts an answered request. Route is the pattern that matched, never
// the path; nothing for no match.
func (m *Metrics) ObserveHTTP(route, method string, status int, took time.Duration) {
	if route == "" {
		route = "unmatched"
	}
	method = methodLabel(method)
	m.HTTPRequests.WithLabelValues(route, method, statusLabel(status)).Inc()
	if !m.sampled() {
		return
	}
	m.HTTPDuration.WithLabelValues(route, method).Observe(took.Seconds())
}

// ObserveEnd counts a terminal record. The reason is an error's code, nothing for a job that did not fail.
func (m *Metrics) ObserveEnd(kind, outcome, reason string, took time.Duration) {
	m.JobsFinished.WithLabelValues(kind, outcome).Inc()
	m.EndToEnd.WithLabelValues(kind).Observe(took.Seconds())
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
