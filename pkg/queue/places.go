package queue

import (
	"sync"
	"time"
)

// places keeps the positions of jobs far back in the queue. NATS counts the messages behind a job anew for each request, which
// costs milliseconds while 100,000 jobs wait, so that many clients that poll their jobs would take more of it than the jobs.
type places struct {
	reuse reuse

	mu         sync.Mutex
	bySequence map[uint64]place
}

// place is a position that may be used until a time.
type place struct {
	ahead int
	until time.Time
}

// reuse says how long a position may be used again: for the time each for every job ahead, if there are at least from, but not
// longer than most.
type reuse struct {
	from       int
	each, most time.Duration
}

// defaultReuse lets a position be a tenth too high where 1,000 jobs start a second.
var defaultReuse = reuse{from: 1000, each: 100 * time.Microsecond, most: 5 * time.Second}

// maxPlaces bounds the memory of places.
const maxPlaces = 10_000

// get returns the position of a job if it is known.
func (p *places) get(sequence uint64, now time.Time) (ahead int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	place, ok := p.bySequence[sequence]
	return place.ahead, ok && now.Before(place.until)
}

// put keeps a position that was measured at a time.
func (p *places) put(sequence uint64, ahead int, now time.Time) {
	if ahead < p.reuse.from {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.bySequence) >= maxPlaces || p.bySequence == nil {
		p.bySequence = make(map[uint64]place)
	}
	p.bySequence[sequence] = place{ahead, now.Add(min(time.Duration(ahead)*p.reuse.each, p.reuse.most))}
}
