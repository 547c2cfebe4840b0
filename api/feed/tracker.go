package feed

import (
	"maps"
	"time"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// lateWindow is how long after the end of a job an older event of it may still arrive.
const lateWindow = time.Minute

// shown is the last event of a job that was sent to the readers, and the time since which the job has been known.
type shown struct {
	Event
	since time.Time
}

// tracker records what was sent to the readers of a hub: the states of unfinished jobs, and recent terminal states, so that late
// events are recognized.
type tracker struct {
	active map[string]shown
	// positions are the last queue positions that were sent.
	positions map[string]position
	// ended are the terminal events; since is the time at which they were sent.
	ended map[string]shown
}

func newTracker() *tracker {
	return &tracker{active: make(map[string]shown), positions: make(map[string]position), ended: make(map[string]shown)}
}

// isNews reports whether a state follows the last one of its job.
func (t *tracker) isNews(snap *job.Snapshot) bool {
	return !t.hasEnded(snap.Spec.ID) && snap.Follows(t.active[snap.Spec.ID].Snapshot)
}

// record stores a state and reports whether it is news.
func (t *tracker) record(e Event) bool {
	snap := e.Snapshot
	if !t.isNews(snap) {
		return false
	}
	id, now := snap.Spec.ID, time.Now()
	if snap.Status() != job.StatusQueued {
		delete(t.positions, id)
	}
	if snap.Record != nil {
		delete(t.active, id)
		t.ended[id] = shown{e, now}
		return true
	}
	if before, known := t.active[id]; known {
		now = before.since
	}
	t.active[id] = shown{e, now}
	return true
}

// last returns the last event of a job.
func (t *tracker) last(id string) (Event, bool) {
	if e, ok := t.active[id]; ok {
		return e.Event, true
	}
	e, ok := t.ended[id]
	return e.Event, ok
}

// setJob replaces the job in the last event.
func (t *tracker) setJob(id string, j *jobview.Job) {
	e := t.active[id]
	e.Job = j
	t.active[id] = e
}

// hasEnded reports whether a job ended recently.
func (t *tracker) hasEnded(id string) bool {
	_, ok := t.ended[id]
	return ok
}

// forget drops the state of a job.
func (t *tracker) forget(id string) {
	delete(t.active, id)
	delete(t.positions, id)
	delete(t.ended, id)
}

// sweep drops terminal events that are older than lateWindow.
func (t *tracker) sweep(now time.Time) {
	maps.DeleteFunc(t.ended, func(_ string, e shown) bool { return now.Sub(e.since) > lateWindow })
}

// setPosition stores the queue position of a job and reports whether it is news.
func (t *tracker) setPosition(id string, place position) bool {
	if last, known := t.positions[id]; known && !place.isNews(last) {
		return false
	}
	t.positions[id] = place
	return true
}
