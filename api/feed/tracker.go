package feed

import (
	"maps"
	"time"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// lateWindow is how long after the end of a job an older event of it may still arrive.
const lateWindow = time.Minute

// shown is the last event of a job that was sent to the readers.
type shown struct {
	Event
	// since is the time since which the job has been known or, after its end, the time at which that was sent.
	since time.Time
	// at is when this event was recorded.
	at time.Time
	// place is the last queue position that was sent, nil if none was.
	place *position
}

func (s *shown) ended() bool { return s.Snapshot.Record != nil }

// tracker records what was sent to the readers of a hub: the states of unfinished jobs, and recent terminal states, so that late
// events are recognized.
type tracker struct{ jobs map[string]*shown }

func newTracker() tracker { return tracker{make(map[string]*shown)} }

// active returns the last event of a job that has not ended.
func (t tracker) active(id string) (*shown, bool) {
	s, ok := t.jobs[id]
	return s, ok && !s.ended()
}

// isNews reports whether a state follows the last one of its job. The state comes from a read that began at asOf, or from an event that was
// compared then: if the last one was recorded later, a lower number of the delivery means that it is older.
func (t tracker) isNews(snap *job.Snapshot, asOf time.Time) bool {
	s, known := t.jobs[snap.Spec.ID]
	switch {
	case !known:
		return true
	case snap.Record == nil && snap.Progress != nil && s.Snapshot.Progress != nil && s.at.After(asOf) &&
		snap.Progress.Delivery < s.Snapshot.Progress.Delivery:
		return false
	}
	return snap.Follows(s.Snapshot)
}

// record stores a state and reports whether it is news.
func (t tracker) record(e Event, asOf time.Time) bool {
	if !t.isNews(e.Snapshot, asOf) {
		return false
	}
	now := time.Now()
	next := &shown{Event: e, since: now, at: now}
	if last, known := t.jobs[e.Snapshot.Spec.ID]; known && !next.ended() {
		next.since = last.since
	}
	t.jobs[e.Snapshot.Spec.ID] = next
	return true
}

// last returns the last event of a job.
func (t tracker) last(id string) (Event, bool) {
	if s, ok := t.jobs[id]; ok {
		return s.Event, true
	}
	return Event{}, false
}

// hasEnded reports whether a job ended recently.
func (t tracker) hasEnded(id string) bool {
	s, ok := t.jobs[id]
	return ok && s.ended()
}

// forget drops the state of a job.
func (t tracker) forget(id string) { delete(t.jobs, id) }

// sweep drops terminal events that are older than lateWindow.
func (t tracker) sweep(now time.Time) {
	maps.DeleteFunc(t.jobs, func(_ string, s *shown) bool { return s.ended() && now.Sub(s.since) > lateWindow })
}

// setPosition stores the queue position of a queued job and reports whether it is news.
func (t tracker) setPosition(id string, place position) bool {
	s, ok := t.active(id)
	if !ok || s.Snapshot.Status() != job.StatusQueued || s.place != nil && !place.isNews(*s.place) {
		return false
	}
	s.place = &place
	return true
}

// setJob replaces the job in the last event.
func (t tracker) setJob(id string, j *jobview.Job) {
	if s, ok := t.jobs[id]; ok {
		s.Job = j
	}
}
