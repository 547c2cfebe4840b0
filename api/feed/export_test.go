package feed

import (
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Roster opens the memory of a stream of many jobs to the tests.
type Roster struct{ *roster }

// NewRoster returns an empty memory.
func NewRoster() Roster { return Roster{newRoster()} }

// Enter is enter.
func (o Roster) Enter(snap *job.Snapshot) bool { return o.enter(snap) }

// Move is move.
func (o Roster) Move(id string, ahead int) bool { return o.move(id, position{ahead: ahead}) }

// Forget is forget.
func (o Roster) Forget(id string) { o.forget(id) }

// Sweep is sweep.
func (o Roster) Sweep(now time.Time) { o.sweep(now) }

// Size is how many entries are kept in all.
func (o Roster) Size() int { return len(o.active) + len(o.places) + len(o.ended) }

// Topics is how many subjects are subscribed to.
func (f *Feed) Topics() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.topics)
}

// Waiting is how many subscribers there are.
func (f *Feed) Waiting() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, t := range f.topics {
		n += len(t.members)
	}
	return n
}
