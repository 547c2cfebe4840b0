package feed

import (
	"maps"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// lateness is for how long after a job's end something may still come that was told before.
const lateness = time.Minute

// roster is what a stream of many jobs has shown: the jobs that have not ended, and when others ended lately, so that
// what comes late for them is known to be late.
type roster struct {
	active map[string]*job.Snapshot
	// places are the latest places in the queue that were told.
	places map[string]position
	ended  map[string]time.Time
}

func newRoster() *roster {
	return &roster{
		active: make(map[string]*job.Snapshot), places: make(map[string]position), ended: make(map[string]time.Time),
	}
}

// enter takes note of a state and reports whether it is news.
func (o *roster) enter(snap *job.Snapshot) bool {
	id := snap.Spec.ID
	if o.gone(id) || !snap.Follows(o.active[id]) {
		return false
	}
	if snap.Status() != job.StatusQueued {
		delete(o.places, id)
	}
	if snap.Record != nil {
		delete(o.active, id)
		o.ended[id] = time.Now()
		return true
	}
	o.active[id] = snap
	return true
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
	maps.DeleteFunc(o.ended, func(_ string, at time.Time) bool { return now.Sub(at) > lateness })
}

// move takes note of a job's place in the queue and reports whether that is news.
func (o *roster) move(id string, place position) bool {
	if last, known := o.places[id]; known && !place.isNews(last) {
		return false
	}
	o.places[id] = place
	return true
}
