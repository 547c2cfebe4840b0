package control

import (
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// CircuitState is the state of a circuit breaker.
type CircuitState string

// The states of a circuit breaker. An open one allows no calls until its pause is over. Then it is half open for a single
// job, the probe, whose outcome closes or reopens it.
const (
	CircuitClosed   CircuitState = "closed"
	CircuitOpen     CircuitState = "open"
	CircuitHalfOpen CircuitState = "half_open"
)

// Circuit is the circuit breaker of one upstream, shared by all processes.
type Circuit struct {
	V        int          `json:"v"`
	Upstream string       `json:"upstream"`
	State    CircuitState `json:"state"`
	// Until is when an open circuit allows a probe, and when a half-open one stops waiting for the outcome of its probe.
	Until job.Time `json:"until"`
	// Since is when the circuit was opened after it had been closed.
	Since job.Time `json:"since"`
	// Code is the job error code of the fault that opened it, and Status its HTTP status.
	Code   string `json:"code,omitempty"`
	Status int    `json:"status,omitempty"`
	// Trips counts how often it was opened since it was last closed.
	Trips int `json:"trips,omitempty"`
	// Probe is the worker that may run a job while the circuit is half open.
	Probe string `json:"probe,omitempty"`
	// NotBefore is the end of the pause that the upstream requested. It is not called before.
	NotBefore job.Time `json:"asked,omitzero"`
	// Retrial reports that the fault may have been fixed; the next probe will show.
	Retrial bool `json:"retrial,omitempty"`
}

// closedCircuit is the state of an upstream for which nothing is stored.
func closedCircuit(upstream string) Circuit {
	return Circuit{V: job.Version, Upstream: upstream, State: CircuitClosed}
}

func (c *Circuit) check() error {
	return checkState(c.V, c.Upstream != "")
}

// Open reports whether calls to the upstream are blocked, except those of the probe.
func (c Circuit) Open() bool { return c.State == CircuitOpen || c.State == CircuitHalfOpen }

// Due reports whether it is time for a probe: the pause of an open circuit is over, or a probe had no outcome in time.
func (c Circuit) Due(now time.Time) bool { return c.Open() && !now.Before(c.Until.Time) }

// Trip is a fault that opens a circuit.
type Trip struct {
	Upstream string
	Code     string
	Status   int
	// Pause returns how long the circuit stays open. trips is how often it was opened since it was last closed, including this
	// time.
	Pause func(trips int) time.Duration
	// RetryAfter is the pause that the upstream requested; 0 if none.
	RetryAfter time.Duration
	// Probe is the worker whose probe failed, or empty for any other call.
	Probe string
}

// opened returns the circuit after a fault. A fault never shortens a pause. changed is false if the circuit is unchanged.
func (c Circuit) opened(t Trip, now time.Time) (next Circuit, changed bool) {
	notBefore := c.NotBefore
	if until := job.At(now.Add(t.RetryAfter)); t.RetryAfter > 0 && until.After(notBefore.Time) {
		notBefore = until
	}
	switch {
	case c.Open() && !c.probedBy(t.Probe):
		// The call is one of several that were in flight together.
		until := job.At(now.Add(t.Pause(c.Trips)))
		worse := t.Code == job.CodeMisconfigured && c.Code != job.CodeMisconfigured
		if c.State == CircuitHalfOpen {
			// The pause that the upstream now requests holds, whatever the outcome of the probe.
			c.State, c.Probe, c.Until = CircuitOpen, "", job.At(now)
		}
		if !worse && !until.After(c.Until.Time) && notBefore == c.NotBefore {
			return c, false
		}
		c.NotBefore = notBefore
		if worse {
			c.Code, c.Status = t.Code, t.Status
		}
		if until.After(c.Until.Time) {
			c.Until = until
		}
		return c, true
	case c.Open():
		c.Trips++
	default:
		c = Circuit{V: job.Version, Upstream: t.Upstream, Since: job.At(now), Trips: 1}
	}
	c.State, c.Code, c.Status, c.Probe, c.NotBefore, c.Retrial = CircuitOpen, t.Code, t.Status, "", notBefore, false
	c.Until = job.At(now.Add(t.Pause(c.Trips)))
	return c, true
}

func (c Circuit) probedBy(worker string) bool {
	return c.State == CircuitHalfOpen && worker != "" && c.Probe == worker
}
