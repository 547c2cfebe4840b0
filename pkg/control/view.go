package control

import (
	"encoding/json"
	"maps"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// View is the state of all circuits, pauses and switches at one time. It is immutable.
type View struct {
	Circuits map[string]Circuit
	Pauses   map[job.Kind]Pause
	Switches map[SwitchName]Switch
	// revisions are the revisions of the states by subject.
	revisions map[string]uint64
}

// Circuit returns the circuit of an upstream, which is closed if it was never opened.
func (v View) Circuit(upstream string) Circuit {
	if c, ok := v.Circuits[upstream]; ok {
		return c
	}
	return closedCircuit(upstream)
}

// PausedUntil returns the time before which no job of a kind is started: the later end of its circuit's pause and the
// operator's, or the zero time if there is none. A circuit that is due or half open pauses nothing.
func (v View) PausedUntil(kind job.Kind, now time.Time) time.Time {
	var until time.Time
	if c := v.Circuit(kind.Upstream()); c.State == CircuitOpen && now.Before(c.Until.Time) {
		until = c.Until.Time
	}
	if p := v.Pauses[kind]; p.Active(now) && p.Until.After(until) {
		until = p.Until.Time
	}
	return until
}

// Waiting returns what delays a job of a kind that is queued or waits for its next attempt: an operator's pause or an open circuit.
// It returns nil if nothing does, if the job has another status, and if its own delay, until next, is longer.
func (v View) Waiting(kind job.Kind, status job.Status, next *job.Time, now time.Time) *job.Waiting {
	if status != job.StatusQueued && status != job.StatusRetrying {
		return nil
	}
	until := v.PausedUntil(kind, now)
	c, p := v.Circuit(kind.Upstream()), v.Pauses[kind]
	at := job.At(until)
	switch {
	case p.Active(now) && p.Until.Equal(until):
		return &job.Waiting{Reason: job.ReasonPaused, Until: &at}
	case !c.Open(), next != nil && next.After(c.Until.Time):
		return nil
	case until.IsZero():
		return &job.Waiting{Upstream: c.Upstream, Reason: c.Code}
	}
	return &job.Waiting{Upstream: c.Upstream, Reason: c.Code, Until: &at}
}

// Switch returns the stored state of a switch, without a value if it was never set.
func (v View) Switch(name SwitchName) Switch {
	if s, ok := v.Switches[name]; ok {
		return s
	}
	return Switch{Name: name}
}

// InForce returns the switches that override the environment at the given time.
func (v View) InForce(now time.Time) map[SwitchName]Switch {
	set := make(map[SwitchName]Switch)
	for name, s := range v.Switches {
		if s.InForce(now) {
			set[name] = s
		}
	}
	return set
}

// Accepting returns the accept switch, and whether new jobs are accepted at the given time.
func (v View) Accepting(now time.Time) (Switch, bool) {
	s := v.Switch(SwitchAccept)
	return s, !s.InForce(now) || s.Value != SwitchOff
}

// clone returns a copy that may be changed.
func (v View) clone() View {
	return View{
		Circuits: maps.Clone(v.Circuits), Pauses: maps.Clone(v.Pauses), Switches: maps.Clone(v.Switches), revisions: maps.Clone(v.revisions),
	}
}

func emptyView() View {
	return View{
		Circuits: map[string]Circuit{}, Pauses: map[job.Kind]Pause{}, Switches: map[SwitchName]Switch{}, revisions: map[string]uint64{},
	}
}

// state is a Circuit, Pause or Switch.
type state interface {
	// set sets the state in a view.
	set(View)
}

func (c Circuit) set(v View) { v.Circuits[c.Upstream] = c }
func (p Pause) set(v View)   { v.Pauses[p.Kind] = p }
func (s Switch) set(v View)  { v.Switches[s.Name] = s }

// decodeState decodes the state stored under a subject. It returns false if that is invalid or newer than this version.
func decodeState(subject string, data []byte) (state, bool) {
	switch {
	case strings.HasPrefix(subject, broker.CircuitSubject("")):
		return decode(data, (*Circuit).check)
	case strings.HasPrefix(subject, broker.PauseSubject("")):
		return decode(data, (*Pause).check)
	case strings.HasPrefix(subject, broker.SwitchSubject("")):
		s, ok := decode(data, (*Switch).check)
		return s, ok && subject == broker.SwitchSubject(string(s.Name))
	}
	return nil, false
}

func decode[T state](data []byte, check func(*T) error) (T, bool) {
	var s T
	return s, json.Unmarshal(data, &s) == nil && check(&s) == nil
}

// remove removes the state stored under a subject.
func (v View) remove(subject string) {
	delete(v.revisions, subject)
	delete(v.Circuits, strings.TrimPrefix(subject, broker.CircuitSubject("")))
	delete(v.Pauses, job.Kind(strings.TrimPrefix(subject, broker.PauseSubject(""))))
	delete(v.Switches, SwitchName(strings.TrimPrefix(subject, broker.SwitchSubject(""))))
}
