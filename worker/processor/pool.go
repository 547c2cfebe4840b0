package processor

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

const (
	// idleWait is how long a free slot watches one lane before it thinks again.
	idleWait = time.Second
	// shortWait is the same while there are fewer free slots than lanes, so that each lane gets its turn.
	shortWait = 100 * time.Millisecond
	// guestsFirst is how often a free slot asks the guests before the members.
	guestsFirst = 4
	// closedLook is how long a slot rests at the most while every lane is closed.
	closedLook = time.Second
	// troubleWait is how long a slot waits after NATS could not be asked.
	troubleWait = 500 * time.Millisecond
)

// pool is a number of slots that share some lanes. Each slot holds either a job or at most one open pull, so that no
// job is ever taken for which there is no slot.
type pool struct {
	name    string
	slots   int
	members []*queue.Lane
	guests  []*queue.Lane

	mu sync.Mutex
	// turn counts the choices made.
	turn int
	// watching counts the slots that wait at a lane.
	watching map[*queue.Lane]int
	// active is the lane that had a job last.
	active *queue.Lane
	busy   int
}

func newPool(ctx context.Context, q *queue.Queue, name string, slots int, kinds ...job.Kind) (*pool, error) {
	pl := &pool{name: name, slots: slots, watching: make(map[*queue.Lane]int)}
	for _, kind := range kinds {
		member, err := q.Lane(ctx, kind, job.LaneMember)
		if err != nil {
			return nil, err
		}
		guest, err := q.Lane(ctx, kind, job.LaneGuest)
		if err != nil {
			return nil, err
		}
		pl.members, pl.guests = append(pl.members, member), append(pl.guests, guest)
	}
	return pl, nil
}

// order returns the lanes in the order in which a free slot asks them: members first, every fourth time the guests, and
// the kinds in turn.
func (pl *pool) order() []*queue.Lane {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.turn++
	if pl.turn%guestsFirst == 0 {
		// The guests' own turns are counted apart: with every fourth turn always the same kind would come first.
		turn := pl.turn / guestsFirst
		return append(rotate(pl.guests, turn), rotate(pl.members, turn)...)
	}
	return append(rotate(pl.members, pl.turn), rotate(pl.guests, pl.turn)...)
}

func rotate(lanes []*queue.Lane, turn int) []*queue.Lane {
	by := turn % len(lanes)
	return append(slices.Clone(lanes[by:]), lanes[:by]...)
}

// watch chooses the lane at which an idle slot waits: one that nobody watches, else the one that had a job last. It
// returns nil when no lane may be looked at.
func (pl *pool) watch(b *breaker) (*queue.Lane, time.Duration, pass) {
	lanes := pl.order()
	pl.mu.Lock()
	defer pl.mu.Unlock()
	slices.SortStableFunc(lanes, func(x, y *queue.Lane) int { return pl.rank(x) - pl.rank(y) })
	unwatched := 0
	var chosen *queue.Lane
	var right pass
	for _, lane := range lanes {
		if chosen == nil {
			if p, ok := b.enter(lane.Kind); ok {
				chosen, right = lane, p
			}
		}
		if pl.watching[lane] == 0 {
			unwatched++
		}
	}
	if chosen == nil {
		return nil, 0, pass{}
	}
	pl.watching[chosen]++
	if unwatched > 1 {
		return chosen, shortWait, right
	}
	return chosen, idleWait, right
}

// rank orders lanes by how much they need another slot to watch them.
func (pl *pool) rank(lane *queue.Lane) int {
	switch {
	case pl.watching[lane] == 0:
		return 0
	case lane == pl.active:
		return 1
	}
	return 2
}

func (pl *pool) unwatch(lane *queue.Lane, got bool) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.watching[lane]--
	if got {
		pl.active = lane
	}
}

// occupy counts busy slots.
func (pl *pool) occupy(by int) (busy, free int) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.busy += by
	return pl.busy, pl.slots - pl.busy
}

// slot takes and works jobs, one after the other, until pulling ends. A job in hand goes on until working ends.
func (p *Processor) slot(pulling, working context.Context, pl *pool) {
	puller, err := p.queue.Puller()
	if err != nil {
		p.trouble.report(pulling, err)
		return
	}
	defer puller.Close()
	worked := true
	for pulling.Err() == nil {
		if p.storage.await(pulling, p.cfg.writeTimeout(0)); pulling.Err() != nil {
			return
		}
		asked := time.Now()
		d, right, err := p.take(pulling, pl, puller, worked)
		if err != nil {
			p.trouble.report(pulling, err)
			if !lifecycle.Sleep(pulling, troubleWait) {
				return
			}
			continue
		}
		p.trouble.over(pulling, asked)
		worked = d != nil
		if d == nil {
			continue
		}
		p.count(pl, 1)
		p.work(working, d, right)
		p.breaker.leave(right)
		p.count(pl, -1)
	}
}

// take returns a job and the right to work it, or nil when there was none for a while. A slot that has just worked looks
// everywhere first. A lane whose upstream is closed, or whose kind an operator has paused, is not looked at.
func (p *Processor) take(ctx context.Context, pl *pool, puller *queue.Puller, everywhere bool) (*queue.Delivery, pass, error) {
	changed := p.control.Changed()
	if everywhere {
		for _, lane := range pl.order() {
			right, ok := p.breaker.enter(lane.Kind)
			if !ok {
				continue
			}
			d, err := puller.Take(lane, 0)
			if d != nil {
				return d, right, nil
			}
			p.breaker.leave(right)
			if err != nil {
				return nil, pass{}, err
			}
		}
	}
	lane, wait, right := pl.watch(p.breaker)
	if lane == nil {
		p.rest(ctx, changed)
		return nil, pass{}, nil
	}
	d, err := puller.Take(lane, wait)
	pl.unwatch(lane, d != nil)
	if d == nil {
		p.breaker.leave(right)
	}
	return d, right, err
}

// rest waits until an upstream may have been opened.
func (p *Processor) rest(ctx context.Context, changed <-chan struct{}) {
	timer := time.NewTimer(p.breaker.soonest(closedLook))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (p *Processor) count(pl *pool, by int) {
	busy, free := pl.occupy(by)
	p.metrics.WorkerSlots.WithLabelValues(pl.name, "busy").Set(float64(busy))
	p.metrics.WorkerSlots.WithLabelValues(pl.name, "free").Set(float64(free))
}
