package job

// Snapshot is everything that is known about a job at one moment: what was asked, how far it is and how it ended.
type Snapshot struct {
	Spec     *Spec
	Progress *Progress
	Record   *Record
	// Sequence is the job's place in the queue's stream; 0 once it has left the queue or when it is not known.
	Sequence uint64
}

// EventIDEnd is the event id of every terminal state.
const EventIDEnd = "end"

// Status returns the state the job is in.
func (s *Snapshot) Status() Status {
	switch {
	case s.Record != nil:
		return s.Record.Status
	case s.Progress != nil:
		return s.Progress.Status
	}
	return StatusQueued
}

// EventID names this state among the job's events: "<delivery>.<step>", or EventIDEnd.
func (s *Snapshot) EventID() string {
	switch {
	case s.Record != nil:
		return EventIDEnd
	case s.Progress != nil:
		return s.Progress.EventID()
	}
	return "0.0"
}

// Follows reports whether s is news to a reader that has seen prev: nothing follows a terminal state, and within a
// delivery steps only rise. A lower delivery number is news: the broker may forget some of its count when it crashes.
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
