package feed

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// frontPlaces is how many of the first watched jobs of a lane are queried with every tick. The others are derived from them:
	// the jobs of a lane start in order, so when the first one advances, those behind it advance as far.
	frontPlaces = 1
	// turnPlaces is how many of the others are queried with every tick, in turn, because a job between two watched ones may have
	// been canceled.
	turnPlaces = 1
	// unknownPlaces is how many jobs without a position are queried with every tick.
	unknownPlaces = 32
	// initialPlaces bounds how many positions are queried when a reader opens.
	initialPlaces = 64
)

// positions holds the queue positions of watched jobs, which all readers share.
type positions struct {
	mu   sync.Mutex
	jobs map[jobKey]*waiting
}

// jobKey identifies a job.
type jobKey struct{ owner, id string }

func keyOf(spec *job.Spec) jobKey { return jobKey{spec.Owner, spec.ID} }

// waiting is a watched job that is queued.
type waiting struct {
	spec     *job.Spec
	sequence uint64
	// hubs are those of the job and of its owner, if they have readers.
	hubs []*hub
	// ahead is the position at the time at; queried is the time of the last query. The times are zero while the position is
	// unknown.
	ahead       int
	at, queried time.Time
	// gone is set when a query has found that the job has left the queue. Its event is about to arrive, or was lost.
	gone bool
}

// track updates the position of a job until untrack or drop. places are positions that were just queried.
func (p *positions) track(h *hub, snap *job.Snapshot, places map[string]position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.ctx.Err() != nil || snap.Sequence == 0 {
		return
	}
	if p.jobs == nil {
		p.jobs = make(map[jobKey]*waiting)
	}
	key := keyOf(snap.Spec)
	w := p.jobs[key]
	if w == nil || w.sequence != snap.Sequence {
		next := &waiting{spec: snap.Spec, sequence: snap.Sequence}
		if w != nil {
			next.hubs = w.hubs
		}
		w = next
		p.jobs[key] = w
	}
	if place, ok := places[snap.Spec.ID]; ok {
		w.ahead, w.at, w.queried = place.ahead, place.at, place.at
	}
	if !slices.Contains(w.hubs, h) {
		w.hubs = append(w.hubs, h)
	}
}

// untrack stops updating the position of a job for a hub.
func (p *positions) untrack(h *hub, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := jobKey{h.owner, id}
	w := p.jobs[key]
	if w == nil {
		return
	}
	w.hubs = slices.DeleteFunc(w.hubs, func(other *hub) bool { return other == h })
	if len(w.hubs) == 0 {
		delete(p.jobs, key)
	}
}

// drop stops updating all positions for a hub.
func (p *positions) drop(h *hub) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for id := range h.tracker.jobs {
		p.untrack(h, id)
	}
}

// recent returns the position of a job if it is not older than within.
func (p *positions) recent(spec *job.Spec, within time.Duration) (ahead int, at time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.jobs[keyOf(spec)]
	if w == nil || w.at.IsZero() || time.Since(w.at) > within {
		return 0, time.Time{}, false
	}
	return w.ahead, w.at, true
}

// lanes returns copies of the queued jobs by lane, in queue order.
func (p *positions) lanes() map[lane][]waiting {
	p.mu.Lock()
	defer p.mu.Unlock()
	lanes := make(map[lane][]waiting)
	for _, w := range p.jobs {
		of := lane{w.spec.Kind, w.spec.Lane}
		lanes[of] = append(lanes[of], *w)
	}
	for _, list := range lanes {
		slices.SortFunc(list, func(a, b waiting) int { return cmp.Compare(a.sequence, b.sequence) })
	}
	return lanes
}

// update stores the positions of a tick and returns those of each hub by job ID.
func (p *positions) update(list []waiting, place func(waiting) position) map[*hub]map[string]position {
	p.mu.Lock()
	defer p.mu.Unlock()
	news := make(map[*hub]map[string]position)
	for _, found := range list {
		w := p.jobs[keyOf(found.spec)]
		if w == nil || w.sequence != found.sequence {
			continue
		}
		w.ahead, w.at, w.queried, w.gone = found.ahead, found.at, found.queried, found.gone
		if found.at.IsZero() {
			continue
		}
		for _, h := range w.hubs {
			if news[h] == nil {
				news[h] = make(map[string]position)
			}
			news[h][w.spec.ID] = place(*w)
		}
	}
	return news
}

// due returns the sequences to query: those of the first jobs in list that are still in the queue, of the others those queried
// longest ago, and those whose position is unknown.
func due(list []waiting) []uint64 {
	var sequences []uint64
	var rest []waiting
	unknown := unknownPlaces
	for _, w := range list {
		switch {
		case !w.gone && len(sequences) < frontPlaces, w.queried.IsZero() && unknown > 0:
			sequences = append(sequences, w.sequence)
			unknown--
		default:
			rest = append(rest, w)
		}
	}
	slices.SortStableFunc(rest, func(a, b waiting) int { return a.queried.Compare(b.queried) })
	for _, w := range rest[:min(turnPlaces, len(rest))] {
		sequences = append(sequences, w.sequence)
	}
	return sequences
}

// fillPlaces sets the positions in the list of a lane. queried are the queried sequences, and found the positions of those still
// in the queue. Other positions are derived: when a job advances, the jobs behind it advance as far. A derived position may
// be slightly too high until it is queried, because a job in between may have left the queue.
func fillPlaces(list []waiting, queried []uint64, found map[uint64]int, now time.Time) {
	gained, before := 0, -1
	for i := range list {
		w := &list[i]
		ahead, ok := found[w.sequence]
		switch {
		case ok:
			if !w.at.IsZero() {
				gained = w.ahead - ahead
			}
			w.queried, w.gone = now, false
		case slices.Contains(queried, w.sequence):
			w.queried, w.gone = now, true // The job has just left the queue.
			continue
		case w.at.IsZero(), before < 0, w.gone:
			continue // The position is unknown.
		default:
			ahead = max(min(w.ahead, w.ahead-gained), before+1)
		}
		w.ahead, w.at, before = ahead, now, ahead
	}
}

// tickLoop updates the positions of watched jobs periodically.
func (f *Feed) tickLoop() {
	ticker := time.NewTicker(f.cfg.Tick)
	defer ticker.Stop()
	for {
		select {
		case <-f.ctx.Done():
			return
		case <-ticker.C:
			for of, list := range f.positions.lanes() {
				f.tickLane(of, list)
			}
		}
	}
}

// tickLane updates the positions of a lane and sends them to the readers. It makes one request for the lane and one per queried
// position, regardless of the number of readers and, once all positions are known, of jobs.
func (f *Feed) tickLane(of lane, list []waiting) {
	ctx, cancel := context.WithTimeout(f.ctx, estimateTimeout)
	defer cancel()
	queried := due(list)
	found, err := f.estimate.ahead(ctx, of, queried)
	if err != nil {
		return // NATS may be unavailable for a moment; the next tick makes up for it.
	}
	fillPlaces(list, queried, found, time.Now())
	known := f.estimate.forecast(ctx, of.kind)
	for h, places := range f.positions.update(list, func(w waiting) position {
		return f.estimate.positionAt(w.spec, w.ahead, w.at, known)
	}) {
		h.tick(places)
	}
}
