package control

import (
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

var errIncomplete = errors.New("incomplete")

// CircuitState says whether an upstream may be called.
type CircuitState string

// The states of a circuit breaker. An open one lets nothing through until its pause is over; then it is half open for a
// single job, the probe, whose outcome closes it or opens it again.
const (
	CircuitClosed   CircuitState = "closed"
	CircuitOpen     CircuitState = "open"
	CircuitHalfOpen CircuitState = "half_open"
)

// Circuit is the circuit breaker of one upstream, which all processes share.
type Circuit struct {
	V        int          `json:"v"`
	Upstream string       `json:"upstream"`
	State    CircuitState `json:"state"`
	// Until is when an open circuit lets a job through, and when a half-open one stops waiting for the outcome of its probe.
	Until job.Time `json:"until"`
	// Since is when the circuit was opened after it had been closed.
	Since job.Time `json:"since"`
	// Code is the fault that opened it, one of the job error codes, and Status its HTTP status.
	Code   string `json:"code,omitempty"`
	Status int    `json:"status,omitempty"`
	// Trips counts how often it was opened since it was last closed.
	Trips int `json:"trips,omitempty"`
	// Probe is the worker whose job is let through while the circuit is half open.
	Probe string `json:"probe,omitempty"`
	// NotBefore is when the upstream itself wants to be called again; nobody tries it earlier.
	NotBefore job.Time `json:"asked,omitzero"`
	// Retrial says that the fault may have been repaired since it was found: nothing is known until the next probe.
	Retrial bool `json:"retrial,omitempty"`
}

// closedCircuit is the state of an upstream for which nothing is stored.
func closedCircuit(upstream string) Circuit {
	return Circuit{V: job.Version, Upstream: upstream, State: CircuitClosed}
}

func (c *Circuit) check() error {
	switch {
	case c.V > job.Version:
		return kv.ErrNewer
	case c.Upstream == "":
		return errIncomplete
	}
	return nil
}

// Open reports whether the upstream may not be called, except by the probe.
func (c Circuit) Open() bool { return c.State == CircuitOpen || c.State == CircuitHalfOpen }

// Due reports whether it is time for a probe: the pause of an open circuit is over, or the probe had no outcome in its time.
func (c Circuit) Due(now time.Time) bool { return c.Open() && !now.Before(c.Until.Time) }

// Trip is a fault that opens a circuit.
type Trip struct {
	Upstream string
	Code     string
	Status   int
	// Pause returns for how long, given how often the circuit was opened since it was last closed, this time included.
	Pause func(trips int) time.Duration
	// RetryAfter is for how long the upstream itself wants not to be called; 0 when it does not say.
	RetryAfter time.Duration
	// Probe is the worker whose probe it was, or empty for any other call.
	Probe string
}

// opened returns the circuit after a fault, which only ever lengthens a pause. changed is false when it stays as it is.
func (c Circuit) opened(t Trip, now time.Time) (next Circuit, changed bool) {
	notBefore := c.NotBefore
	if until := job.At(now.Add(t.RetryAfter)); t.RetryAfter > 0 && until.After(notBefore.Time) {
		notBefore = until
	}
	switch {
	case c.Open() && !c.probedBy(t.Probe):
		// One of several calls that were in flight together.
		until := job.At(now.Add(t.Pause(c.Trips)))
		worse := t.Code == job.CodeMisconfigured && c.Code != job.CodeMisconfigured
		if c.State == CircuitHalfOpen {
			// What the upstream asks for now holds, whatever the outcome of the probe.
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
