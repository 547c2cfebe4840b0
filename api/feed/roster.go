package feed

import (
	"maps"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// lateness is for how long after a job's end something may still come that was told before.
const lateness = time.Minute

// shown is the latest event of a job, and since when the job has been known.
type shown struct {
	Event
	entered time.Time
}

// roster is what the readers of a hub have been shown: the jobs that have not ended, and the ends of others lately, so
// that what comes late for them is known to be late.
type roster struct {
	active map[string]shown
	// places are the latest places in the queue that were told.
	places map[string]position
	// ended are the ends; entered is when they were told.
	ended map[string]shown
}

func newRoster() *roster {
	return &roster{active: make(map[string]shown), places: make(map[string]position), ended: make(map[string]shown)}
}

// isNews reports whether a state is news.
func (o *roster) isNews(snap *job.Snapshot) bool {
	return !o.gone(snap.Spec.ID) && snap.Follows(o.active[snap.Spec.ID].Snapshot)
}

// enter takes note of a state and reports whether it is news.
func (o *roster) enter(e Event) bool {
	snap := e.Snapshot
	if !o.isNews(snap) {
		return false
	}
	id, now := snap.Spec.ID, time.Now()
	if snap.Status() != job.StatusQueued {
		delete(o.places, id)
	}
	if snap.Record != nil {
		delete(o.active, id)
		o.ended[id] = shown{e, now}
		return true
	}
	if before, known := o.active[id]; known {
		now = before.entered
	}
	o.active[id] = shown{e, now}
	return true
}

// last returns the latest event of a job.
func (o *roster) last(id string) (Event, bool) {
	if e, ok := o.active[id]; ok {
		return e.Event, true
	}
	e, ok := o.ended[id]
	return e.Event, ok
}

// refresh replaces how the state of a job is shown.
func (o *roster) refresh(id string, j *job.Job) {
	e := o.active[id]
	e.Job = j
	o.active[id] = e
}

// gone reports whether a job ended lately.
func (o *roster) gone(id string) bool {
	_, ok := o.ended[id]
	return ok
}

// forget drops what is known of a job.
func (o *roster) forget(id string) {
	delete(o.active, id)
	delete(o.places, id)
	delete(o.ended, id)
}

// sweep drops the ends that are so long ago that nothing more can come.
func (o *roster) sweep(now time.Time) {
	maps.DeleteFunc(o.ended, func(_ string, e shown) bool { return now.Sub(e.entered) > lateness })
}

// move takes note of a job's place in the queue and reports whether that is news.
func (o *roster) move(id string, place position) bool {
	if last, known := o.places[id]; known && !place.isNews(last) {
		return false
	}
	o.places[id] = place
	return true
}
