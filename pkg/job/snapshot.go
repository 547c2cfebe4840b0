package job

// Snapshot is the state of a job at one moment: its spec and, if there are any, its progress and record.
type Snapshot struct {
	Spec     *Spec
	Progress *Progress
	Record   *Record
	// Sequence is the job's sequence in the stream of the queue; 0 if it has left the queue or the sequence is unknown.
	Sequence uint64
}

// EventIDEnd is the event id of all terminal states.
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

// EventID returns the id of this state among the job's events: "<delivery>.<step>", or EventIDEnd.
func (s *Snapshot) EventID() string {
	switch {
	case s.Record != nil:
		return EventIDEnd
	case s.Progress != nil:
		return s.Progress.EventID()
	}
	return "0.0"
}

// Follows reports whether s is newer than prev, which may be nil. Nothing follows a terminal state, and steps increase within a
// delivery. Another delivery is newer even if its number is lower, since the broker may lose part of its count in a crash.
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
