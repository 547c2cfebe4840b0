package kit

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The outcomes of a call.
const (
	OutcomeRunning  = "running"  // no response yet
	OutcomeFinished = "finished" // the intended response was written completely
	OutcomeAborted  = "aborted"  // the client went away, or the simulator stopped
)

// Call is a recorded request. Keys are left out.
type Call struct {
	Sequence uint64         `json:"sequence"`
	Kind     Kind           `json:"kind"`
	Dialect  Dialect        `json:"dialect"`
	Method   string         `json:"method"`
	Path     string         `json:"path"` // as sent, still escaped
	Query    url.Values     `json:"query,omitempty"`
	Model    string         `json:"model,omitempty"`
	Prompt   string         `json:"prompt,omitempty"` // the text of an image, speech or chat; in a chat the last user message
	System   string         `json:"system,omitempty"` // the system message of a chat
	Body     map[string]any `json:"body,omitempty"`   // the fields of a JSON body
	Started  time.Time      `json:"started"`
	Finished time.Time      `json:"finished,omitzero"`
	Outcome  string         `json:"outcome"`
	Status   int            `json:"status,omitempty"`
	Cache    string         `json:"cache,omitempty"` // GENERATED, EXACT or COALESCED
	Rule     string         `json:"rule,omitempty"`  // the id of the rule that matched
	size     int
}

const (
	maxCalls     = 10_000
	maxCallBytes = 64 << 20
)

// callLog records the latest calls, bounded in number and bytes, and wakes those
// that wait for one.
type callLog struct {
	counters
	last     uint64
	calls    []*Call // consecutive sequences
	bytes    int
	arrived  map[Kind]int
	finished map[Kind]int
}

func newCallLog() *callLog {
	return &callLog{arrived: map[Kind]int{}, finished: map[Kind]int{}, counters: newCounters()}
}

// add records a new call and returns its sequence.
func (l *callLog) add(call Call) uint64 {
	l.Lock()
	defer l.Unlock()
	l.last++
	call.Sequence = l.last
	l.calls = append(l.calls, &call)
	l.bytes += call.size
	drop := 0
	for len(l.calls)-drop > maxCalls || (l.bytes > maxCallBytes && len(l.calls)-drop > 1) {
		l.bytes -= l.calls[drop].size
		drop++
	}
	l.calls = slices.Delete(l.calls, 0, drop)
	l.arrived[call.Kind]++
	l.wake()
	return call.Sequence
}

// amend changes a recorded call, if it is still recorded.
func (l *callLog) amend(sequence uint64, change func(*Call)) {
	l.Lock()
	defer l.Unlock()
	if len(l.calls) == 0 || sequence < l.calls[0].Sequence {
		return
	}
	call := l.calls[sequence-l.calls[0].Sequence]
	before := call.Outcome
	change(call)
	if before == OutcomeRunning && call.Outcome != OutcomeRunning {
		l.finished[call.Kind]++
	}
	l.wake()
}

// Calls returns the recorded calls of a kind, oldest first; the empty kind means
// all. Only the latest 10,000 are kept.
func (s *Server) Calls(kind Kind) []Call {
	s.calls.Lock()
	defer s.calls.Unlock()
	var calls []Call
	for _, call := range s.calls.calls {
		if kind == "" || call.Kind == kind {
			calls = append(calls, *call)
		}
	}
	return calls
}

// Count returns the number of recorded calls of a kind whose prompt contains a
// substring.
func (s *Server) Count(kind Kind, part string) int {
	n := 0
	for _, call := range s.Calls(kind) {
		if strings.Contains(call.Prompt, part) {
			n++
		}
	}
	return n
}

// WaitCalls waits until n calls of a kind have arrived since the start or
// since ForgetCalls. It fails when ctx ends first.
func (s *Server) WaitCalls(ctx context.Context, kind Kind, n int) error {
	return s.calls.wait(ctx, n, string(kind)+" calls", func() int { return s.calls.arrived[kind] })
}

// WaitFinished waits until n calls of a kind have ended, finished or aborted. It
// fails when ctx ends first.
func (s *Server) WaitFinished(ctx context.Context, kind Kind, n int) error {
	return s.calls.wait(ctx, n, string(kind)+" calls", func() int { return s.calls.finished[kind] })
}

// ForgetCalls removes all recorded calls, including those still running, and
// resets the counts of WaitCalls and WaitFinished.
func (s *Server) ForgetCalls() {
	l := s.calls
	l.Lock()
	defer l.Unlock()
	l.calls, l.bytes = nil, 0
	clear(l.arrived)
	clear(l.finished)
	l.wake()
}
