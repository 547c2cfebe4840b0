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
	// frontPlaces is how many of the foremost watched jobs of a lane have their positions queried with every tick; these
	// start next.
	frontPlaces = 8
	// queriedPlaces is how many positions of a lane are queried with every tick in all. Those of the others are derived from
	// the jobs before them, and each is queried in its turn.
	queriedPlaces = 32
	// initialPlaces bounds the positions that are queried at once when jobs begin to be watched.
	initialPlaces = 64
)

// positions is the watched waiting jobs and their queue positions, shared by all their readers.
type positions struct {
	mu   sync.Mutex
	jobs map[string]*waiting
	// byHub has the jobs of each hub.
	byHub map[*hub]map[string]struct{}
}

// waiting is a waiting job that is watched.
type waiting struct {
	key      string
	spec     *job.Spec
	sequence uint64
	hubs     map[*hub]struct{}
	// ahead is the place in the queue, as of at; asked is when NATS was asked for it last. Both are zero while no place
	// is known.
	ahead       int
	at, queried time.Time
}

func keyOf(spec *job.Spec) string { return spec.Owner + "." + spec.ID }

// track keeps the position of a job up to date until untrack or drop; places are those that were just queried.
func (p *positions) track(h *hub, snap *job.Snapshot, places map[string]position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.ctx.Err() != nil || snap.Sequence == 0 {
		return
	}
	if p.jobs == nil {
		p.jobs, p.byHub = make(map[string]*waiting), make(map[*hub]map[string]struct{})
	}
	key := keyOf(snap.Spec)
	w := p.jobs[key]
	if w == nil || w.sequence != snap.Sequence {
		hubs := make(map[*hub]struct{})
		if w != nil {
			hubs = w.hubs
		}
		w = &waiting{key: key, spec: snap.Spec, sequence: snap.Sequence, hubs: hubs}
		p.jobs[key] = w
	}
	if place, ok := places[snap.Spec.ID]; ok {
		w.ahead, w.at, w.queried = place.ahead, place.at, place.at
	}
	w.hubs[h] = struct{}{}
	if p.byHub[h] == nil {
		p.byHub[h] = make(map[string]struct{})
	}
	p.byHub[h][key] = struct{}{}
}

// untrack ends a hub's interest in the position of a job.
func (p *positions) untrack(h *hub, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.jobs[h.owner+"."+id]; w != nil {
		p.remove(h, w)
	}
}

// drop ends a hub's interest in all positions.
func (p *positions) drop(h *hub) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range p.byHub[h] {
		p.remove(h, p.jobs[key])
	}
}

func (p *positions) remove(h *hub, w *waiting) {
	delete(w.hubs, h)
	if len(w.hubs) == 0 {
		delete(p.jobs, w.key)
	}
	delete(p.byHub[h], w.key)
	if len(p.byHub[h]) == 0 {
		delete(p.byHub, h)
	}
}

// recent returns the position of a job if it is known and recent enough.
func (p *positions) recent(spec *job.Spec, within time.Duration) (ahead int, at time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.jobs[keyOf(spec)]
	if w == nil || w.at.IsZero() || time.Since(w.at) > within {
		return 0, time.Time{}, false
	}
	return w.ahead, w.at, true
}

// lanes returns copies of the waiting jobs by lane, each lane in queue order.
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

// update stores the positions of a tick and returns those that each hub is to send.
func (p *positions) update(list []waiting, place func(waiting) position) map[*hub]map[string]position {
	p.mu.Lock()
	defer p.mu.Unlock()
	news := make(map[*hub]map[string]position)
	for _, found := range list {
		w := p.jobs[found.key]
		if w == nil || w.sequence != found.sequence || found.at.IsZero() {
			continue
		}
		w.ahead, w.at, w.queried = found.ahead, found.at, found.queried
		for h := range w.hubs {
			if news[h] == nil {
				news[h] = make(map[string]position)
			}
			news[h][w.spec.ID] = place(*w)
		}
	}
	return news
}

// due returns the sequences of the jobs of a lane to query: the foremost ones, and of the others those queried longest ago.
func due(list []waiting) []uint64 {
	rest := slices.Clone(list[min(frontPlaces, len(list)):])
	slices.SortStableFunc(rest, func(a, b waiting) int { return a.queried.Compare(b.queried) })
	var sequences []uint64
	for _, w := range slices.Concat(list[:min(frontPlaces, len(list))], rest[:min(queriedPlaces-frontPlaces, len(rest))]) {
		sequences = append(sequences, w.sequence)
	}
	return sequences
}

// fillPlaces puts queried positions into the list of a lane and derives the others from the job before them: a queue advances
// for all jobs behind, so that each gains what the one before it has gained. A derived position may be a little too high until
// it is queried, since a job between the two may have left. asked are the sequences that were queried, and found the positions
// of those that are still in the queue.
func fillPlaces(list []waiting, asked []uint64, found map[uint64]int, now time.Time) {
	gained, before := 0, -1
	for i := range list {
		w := &list[i]
		ahead, ok := found[w.sequence]
		switch {
		case ok:
			if !w.at.IsZero() {
				gained = w.ahead - ahead
			}
			w.queried = now
		case w.at.IsZero(), before < 0, slices.Contains(asked, w.sequence):
			continue // The position is unknown, or the job has just left the queue.
		default:
			ahead = max(min(w.ahead, w.ahead-gained), before+1)
		}
		w.ahead, w.at, before = ahead, now, ahead
	}
}

// tickLoop updates the positions of the waiting jobs periodically.
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

// tickLane queries the positions of a lane's jobs and sends them. It costs one request and one for each position that is
// queried, however many readers there are.
func (f *Feed) tickLane(of lane, list []waiting) {
	ctx, cancel := context.WithTimeout(f.ctx, estimateTimeout)
	defer cancel()
	asked := due(list)
	found, err := f.estimate.ahead(ctx, of, asked)
	if err != nil {
		return // NATS may be unavailable for a moment; the next tick makes up for it.
	}
	fillPlaces(list, asked, found, time.Now())
	known := f.estimate.forecast(ctx, of.kind)
	for h, places := range f.positions.update(list, func(w waiting) position {
		return f.estimate.positionAt(w.spec, w.ahead, w.at, known)
	}) {
		h.tick(places)
	}
}
