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
	// frontPlaces is how many of the foremost watched jobs of a lane have their places asked for with every tick; they
	// are the ones that move soonest.
	frontPlaces = 8
	// askedPlaces is how many places of a lane are asked for with every tick in all. Those of the others follow from the
	// places of the jobs before them, and each is asked for when its turn comes.
	askedPlaces = 32
	// viewedPlaces bounds the places that are asked for to show jobs that come to be watched at once.
	viewedPlaces = 64
)

// positions knows the waiting jobs that somebody watches and their places in the queue, once for all their readers.
type positions struct {
	mu   sync.Mutex
	jobs map[string]*waiting
	// of are the jobs of each hub.
	of map[*hub]map[string]struct{}
}

// waiting is a job that waits and is watched.
type waiting struct {
	key      string
	spec     *job.Spec
	sequence uint64
	hubs     map[*hub]struct{}
	// ahead is the place in the queue, as of at; asked is when NATS was asked for it last. Both are zero while no place
	// is known.
	ahead     int
	at, asked time.Time
}

func keyOf(spec *job.Spec) string { return spec.Owner + "." + spec.ID }

// track keeps the place of a job up to date until untrack or drop; places are those that were just asked for.
func (p *positions) track(h *hub, snap *job.Snapshot, places map[string]position) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.ctx.Err() != nil || snap.Sequence == 0 {
		return
	}
	if p.jobs == nil {
		p.jobs, p.of = make(map[string]*waiting), make(map[*hub]map[string]struct{})
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
		w.ahead, w.at, w.asked = place.ahead, place.at, place.at
	}
	w.hubs[h] = struct{}{}
	if p.of[h] == nil {
		p.of[h] = make(map[string]struct{})
	}
	p.of[h][key] = struct{}{}
}

// untrack ends a hub's interest in the place of a job.
func (p *positions) untrack(h *hub, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w := p.jobs[h.owner+"."+id]; w != nil {
		p.remove(h, w)
	}
}

// drop ends a hub's interest in every place.
func (p *positions) drop(h *hub) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for key := range p.of[h] {
		p.remove(h, p.jobs[key])
	}
}

func (p *positions) remove(h *hub, w *waiting) {
	delete(w.hubs, h)
	if len(w.hubs) == 0 {
		delete(p.jobs, w.key)
	}
	delete(p.of[h], w.key)
	if len(p.of[h]) == 0 {
		delete(p.of, h)
	}
}

// recent returns the place of a job that was asked for lately.
func (p *positions) recent(spec *job.Spec, within time.Duration) (ahead int, at time.Time, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.jobs[keyOf(spec)]
	if w == nil || w.at.IsZero() || time.Since(w.at) > within {
		return 0, time.Time{}, false
	}
	return w.ahead, w.at, true
}

// lanes returns copies of the waiting jobs by lane, each lane in the order of the queue.
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

// settle keeps the places that a tick found out, and returns what each hub is to be told.
func (p *positions) settle(list []waiting, place func(waiting) position) map[*hub]map[string]position {
	p.mu.Lock()
	defer p.mu.Unlock()
	news := make(map[*hub]map[string]position)
	for _, found := range list {
		w := p.jobs[found.key]
		if w == nil || w.sequence != found.sequence || found.at.IsZero() {
			continue
		}
		w.ahead, w.at, w.asked = found.ahead, found.at, found.asked
		for h := range w.hubs {
			if news[h] == nil {
				news[h] = make(map[string]position)
			}
			news[h][w.spec.ID] = place(*w)
		}
	}
	return news
}

// due returns the sequences of a lane's jobs whose places are to be asked for: the foremost ones, and of the others
// those that were not asked for the longest.
func due(list []waiting) []uint64 {
	rest := slices.Clone(list[min(frontPlaces, len(list)):])
	slices.SortStableFunc(rest, func(a, b waiting) int { return a.asked.Compare(b.asked) })
	var sequences []uint64
	for _, w := range slices.Concat(list[:min(frontPlaces, len(list))], rest[:min(askedPlaces-frontPlaces, len(rest))]) {
		sequences = append(sequences, w.sequence)
	}
	return sequences
}

// fill puts the places that were asked for into a lane's list. A place that was not follows from the job before it: a
// queue moves up for all who stand behind, so what one has gained the next has gained too. It may stand a little too far
// back then, until it is asked for: between two jobs somebody may have left. asked are the sequences that were asked for
// and found the places of those that are still in the queue.
func fill(list []waiting, asked []uint64, found map[uint64]int, now time.Time) {
	gained, before := 0, -1
	for i := range list {
		w := &list[i]
		ahead, ok := found[w.sequence]
		switch {
		case ok:
			if !w.at.IsZero() {
				gained = w.ahead - ahead
			}
			w.asked = now
		case w.at.IsZero(), before < 0, slices.Contains(asked, w.sequence):
			continue // Nothing is known yet, or the job has just left the queue.
		default:
			ahead = max(min(w.ahead, w.ahead-gained), before+1)
		}
		w.ahead, w.at, before = ahead, now, ahead
	}
}

// tickLoop tells the places of the waiting jobs from time to time.
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

// tickLane asks for the places of a lane's jobs and tells them. It costs one request and as many as there are places to
// ask for, whatever the number of readers.
func (f *Feed) tickLane(of lane, list []waiting) {
	ctx, cancel := context.WithTimeout(f.ctx, estimateTimeout)
	defer cancel()
	asked := due(list)
	found, err := f.estimate.ahead(ctx, of, asked)
	if err != nil {
		return // NATS may be away for a moment; the next tick tells.
	}
	fill(list, asked, found, time.Now())
	known := f.estimate.forecast(ctx, of.kind)
	for h, places := range f.positions.settle(list, func(w waiting) position {
		return f.estimate.placed(w.spec, w.ahead, w.at, known)
	}) {
		h.tick(places)
	}
}
