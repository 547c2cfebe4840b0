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
	// idleWait is how long a free slot waits for a job on one lane.
	idleWait = time.Second
	// shortWait replaces idleWait while there are fewer free slots than lanes, so that every lane is watched in turn.
	shortWait = 100 * time.Millisecond
	// Every guestEvery-th time, a free slot checks the guests' lanes before the members'.
	guestEvery = 4
	// maxIdle bounds the wait of a slot while no lane may be fetched from.
	maxIdle = time.Second
	// outageRetryDelay is the delay after NATS could not be reached.
	outageRetryDelay = 500 * time.Millisecond
)

// pool is a number of slots that share some lanes. Each slot has either a job or at most one open pull, so that no job
// is fetched without a slot for it.
type pool struct {
	name    string
	slots   int
	members []*queue.Lane
	guests  []*queue.Lane

	mu sync.Mutex
	// picks counts the calls of order.
	picks int
	// watching counts the slots that wait on each lane.
	watching map[*queue.Lane]int
	// active is the lane of the last job.
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

// order returns the lanes in the order in which a free slot checks them: members first, every fourth time guests first,
// and the kinds in rotation.
func (pl *pool) order() []*queue.Lane {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.picks++
	if pl.picks%guestEvery == 0 {
		// Rotate by the number of guest turns; by picks, the guests would always start with the same kind.
		turn := pl.picks / guestEvery
		return append(rotate(pl.guests, turn), rotate(pl.members, turn)...)
	}
	return append(rotate(pl.members, pl.picks), rotate(pl.guests, pl.picks)...)
}

func rotate(lanes []*queue.Lane, turn int) []*queue.Lane {
	by := turn % len(lanes)
	return append(slices.Clone(lanes[by:]), lanes[:by]...)
}

// watch returns the lane on which an idle slot waits, how long, and its permit: a lane without a waiting slot, else the
// active one. The lane is nil if no lane may be fetched from.
func (pl *pool) watch(b *breaker) (*queue.Lane, time.Duration, permit) {
	lanes := pl.order()
	pl.mu.Lock()
	defer pl.mu.Unlock()
	slices.SortStableFunc(lanes, func(x, y *queue.Lane) int { return pl.watchPriority(x) - pl.watchPriority(y) })
	unwatched := 0
	var chosen *queue.Lane
	var granted permit
	for _, lane := range lanes {
		if chosen == nil {
			if p, ok := b.acquire(lane.Kind); ok {
				chosen, granted = lane, p
			}
		}
		if pl.watching[lane] == 0 {
			unwatched++
		}
	}
	if chosen == nil {
		return nil, 0, permit{}
	}
	pl.watching[chosen]++
	if unwatched > 1 {
		return chosen, shortWait, granted
	}
	return chosen, idleWait, granted
}

// watchPriority returns the rank of a lane for the next waiting slot; lower ranks come first.
func (pl *pool) watchPriority(lane *queue.Lane) int {
	switch {
	case pl.watching[lane] == 0:
		return 0
	case lane == pl.active:
		return 1
	}
	return 2
}

func (pl *pool) endWatch(lane *queue.Lane, got bool) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.watching[lane]--
	if got {
		pl.active = lane
	}
}

// addBusy adds to the number of busy slots.
func (pl *pool) addBusy(by int) (busy, free int) {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.busy += by
	return pl.busy, pl.slots - pl.busy
}

// runSlot fetches and runs jobs one after the other until pulling ends. A running job continues until working ends.
func (p *Processor) runSlot(pulling, working context.Context, pl *pool) {
	puller, err := p.queue.Puller()
	if err != nil {
		p.queueOutage.report(pulling, err)
		return
	}
	defer puller.Close()
	worked := true
	for pulling.Err() == nil {
		if p.storeOutage.waitUntilAccepting(pulling, p.cfg.writeTimeout(0)); pulling.Err() != nil {
			return
		}
		sent := time.Now()
		d, granted, err := p.fetch(pulling, pl, puller, worked)
		if err != nil {
			p.queueOutage.report(pulling, err)
			if !lifecycle.Sleep(pulling, outageRetryDelay) {
				return
			}
			continue
		}
		p.queueOutage.end(pulling, sent)
		worked = d != nil
		if d == nil {
			continue
		}
		p.addBusy(pl, 1)
		p.work(working, d, granted)
		p.breaker.release(granted)
		p.addBusy(pl, -1)
	}
}

// fetch returns a job and its permit, or nil if none came within the wait. With everywhere, it checks all lanes before
// it waits on one. It skips lanes whose circuit breaker is open or whose kind an operator has paused.
func (p *Processor) fetch(ctx context.Context, pl *pool, puller *queue.Puller, everywhere bool) (*queue.Delivery, permit, error) {
	changed := p.control.Changed()
	if everywhere {
		for _, lane := range pl.order() {
			granted, ok := p.breaker.acquire(lane.Kind)
			if !ok {
				continue
			}
			d, err := puller.Pull(lane, 0)
			if d != nil {
				return d, granted, nil
			}
			p.breaker.release(granted)
			if err != nil {
				return nil, permit{}, err
			}
		}
	}
	lane, wait, granted := pl.watch(p.breaker)
	if lane == nil {
		p.waitForCircuit(ctx, changed)
		return nil, permit{}, nil
	}
	d, err := puller.Pull(lane, wait)
	pl.endWatch(lane, d != nil)
	if d == nil {
		p.breaker.release(granted)
	}
	return d, granted, err
}

// waitForCircuit waits until a circuit breaker or a pause may have changed.
func (p *Processor) waitForCircuit(ctx context.Context, changed <-chan struct{}) {
	timer := time.NewTimer(p.breaker.nextRetry(maxIdle))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (p *Processor) addBusy(pl *pool, by int) {
	busy, free := pl.addBusy(by)
	p.metrics.WorkerSlots.WithLabelValues(pl.name, "busy").Set(float64(busy))
	p.metrics.WorkerSlots.WithLabelValues(pl.name, "free").Set(float64(free))
}
