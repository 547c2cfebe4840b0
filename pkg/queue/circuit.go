package queue

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// CircuitState says whether an upstream is called.
type CircuitState string

// The states of a circuit. One that is open lets nothing through until its time has come; then it is half open for a
// single job, whose outcome closes it or opens it again.
const (
	CircuitClosed   CircuitState = "closed"
	CircuitOpen     CircuitState = "open"
	CircuitHalfOpen CircuitState = "half_open"
)

// Circuit is what all processes know about one upstream.
type Circuit struct {
	V        int          `json:"v"`
	Upstream string       `json:"upstream"`
	State    CircuitState `json:"state"`
	// Until is when an open circuit lets a job through, and when a half-open one gives up waiting for its outcome.
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
	// Asked is until when the upstream itself wants to be left alone; nobody tries it earlier.
	Asked job.Time `json:"asked,omitzero"`
	// Retrial says that what was wrong may have been mended since it was found: nothing is known until it is tried again.
	Retrial bool `json:"retrial,omitempty"`
}

// Open reports whether nobody may call the upstream at the given moment, but for a job that is let through.
func (c Circuit) Open() bool { return c.State == CircuitOpen || c.State == CircuitHalfOpen }

// Due reports whether the time has come to let one job through: an open circuit's pause is over, or the outcome of the
// job that was let through has not come in its time.
func (c Circuit) Due(now time.Time) bool { return c.Open() && !now.Before(c.Until.Time) }

// Trip is a fault that closes an upstream to everybody.
type Trip struct {
	Upstream string
	Code     string
	Status   int
	// Pause returns for how long, given how often the circuit was opened since it was last closed, this time included.
	Pause func(trips int) time.Duration
	// Asked is for how long the upstream itself wants to be left alone; 0 when it does not say.
	Asked time.Duration
	// Probe is the worker whose job was let through, or empty for any other call.
	Probe string
}

// opened returns the circuit after a fault, which only ever lengthens a pause. changed is false when it stays as it is.
func (c Circuit) opened(t Trip, now time.Time) (next Circuit, changed bool) {
	asked := c.Asked
	if until := job.At(now.Add(t.Asked)); t.Asked > 0 && until.After(asked.Time) {
		asked = until
	}
	switch {
	case c.Open() && !c.probedBy(t.Probe):
		// One of several calls that were under way together.
		until := job.At(now.Add(t.Pause(c.Trips)))
		worse := t.Code == job.CodeMisconfigured && c.Code != job.CodeMisconfigured
		if c.State == CircuitHalfOpen {
			// What the upstream asks for now holds, whatever comes of the job that was let through.
			c.State, c.Probe, c.Until = CircuitOpen, "", job.At(now)
		}
		if !worse && !until.After(c.Until.Time) && asked == c.Asked {
			return c, false
		}
		c.Asked = asked
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
	c.State, c.Code, c.Status, c.Probe, c.Asked, c.Retrial = CircuitOpen, t.Code, t.Status, "", asked, false
	c.Until = job.At(now.Add(t.Pause(c.Trips)))
	return c, true
}

func (c Circuit) probedBy(worker string) bool {
	return c.State == CircuitHalfOpen && worker != "" && c.Probe == worker
}

// KindPause is an operator's order not to work a kind of job.
type KindPause struct {
	V     int      `json:"v"`
	Kind  job.Kind `json:"kind"`
	Until job.Time `json:"until"`
	Since job.Time `json:"since"`
	// Note is the operator's own reason.
	Note string `json:"note,omitempty"`
}

// Holds reports whether the order holds at the given moment.
func (p KindPause) Holds(now time.Time) bool { return p.Kind != "" && now.Before(p.Until.Time) }

func decodeCircuit(b []byte) (Circuit, bool) {
	var c Circuit
	if json.Unmarshal(b, &c) != nil || c.V > job.Version || c.Upstream == "" {
		return Circuit{}, false
	}
	return c, true
}

func decodePause(b []byte) (KindPause, bool) {
	var p KindPause
	if json.Unmarshal(b, &p) != nil || p.V > job.Version || p.Kind == "" {
		return KindPause{}, false
	}
	return p, true
}

func encodeControl(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode control: %w", err)
	}
	return data, nil
}

// consumersOf returns the consumers of the kinds that need an upstream.
func consumersOf(kind job.Kind) []string {
	names := make([]string, 0, len(job.Lanes()))
	for _, lane := range job.Lanes() {
		names = append(names, broker.ConsumerName(kind, lane))
	}
	return names
}
