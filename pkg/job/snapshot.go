package job

// Snapshot is everything that is known about a job at one moment: the request, the progress and how it ended.
type Snapshot struct {
	Spec     *Spec
	Progress *Progress
	Record   *Record
	// Sequence is the job's sequence in the queue's stream; 0 when it has left the queue or the sequence is not known.
	Sequence uint64
}

// EventIDEnd is the event id of every terminal state.
const EventIDEnd = "end"

// Status returns the job's state.
func (s *Snapshot) Status() Status {
	switch {
	case s.Record != nil:
		return s.Record.Status
	case s.Progress != nil:
		return s.Progress.Status
	}
	return StatusQueued
}

// EventID identifies this state among the job's events: "<delivery>.<step>", or EventIDEnd.
func (s *Snapshot) EventID() string {
	switch {
	case s.Record != nil:
		return EventIDEnd
	case s.Progress != nil:
		return s.Progress.EventID()
	}
	return "0.0"
}

// Follows reports whether s is newer than prev: nothing follows a terminal state, and within a delivery steps only increase. A
// lower delivery number is newer: the broker may lose some of its count in a crash.
func (s *Snapshot) Follows(prev *Snapshot) bool {
	switch {
	case prev == nil:
		return true
	case prev.Record != nil:
		return false
	case s.Record != nil:
		return true
	case s.Progress == nil:
		return false
	case prev.Progress == nil:
		return true
	case s.Progress.Delivery == prev.Progress.Delivery:
		return s.Progress.Step > prev.Progress.Step
	}
	return true
}
