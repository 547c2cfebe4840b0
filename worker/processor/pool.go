package processor

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

const (
	// Every guestEvery-th job comes from the guests' lanes if they have any, the others from the members'.
	guestEvery = 4
	// checkInterval is how often a pool checks its open pulls.
	checkInterval = 500 * time.Millisecond
	// maxIdle bounds the wait while a lane may not be fetched from.
	maxIdle = time.Second
	// finishingPerSlot is how many jobs for each slot may be finishing at a time. Their costs are counted together, so that more of them
	// cost less.
	finishingPerSlot = 8
	// outageRetryDelay is the delay after NATS could not be reached.
	outageRetryDelay = 500 * time.Millisecond
)

// pool is a number of slots that share some lanes. One goroutine fetches the jobs of all slots. Its pulls are open for at most
// as many jobs as there are free slots, so that no job is fetched without a slot for it.
type pool struct {
	name    string
	slots   int
	lanes   []*lane
	members []*lane
	guests  []*lane
	puller  *queue.Puller

	busy int
	// started has the jobs that have a slot, for the goroutines that run them.
	started chan startedJob
	// running is the number of these goroutines, of which occupied ones have a job. They are kept, since their stacks have grown to the
	// size that a job needs.
	running, occupied int
	// finishing holds one value for each job that has ended and has no slot any more, but is not removed from the queue yet.
	finishing chan struct{}
	// done receives when a slot or a goroutine becomes free.
	done chan freed
	// turns counts the calls of next that found a lane.
	turns int
	// blocked is set while a lane may not be fetched from.
	blocked bool
	// retryAt is when to pull again after an error.
	retryAt  time.Time
	yielding yielding
	// awaitingStore is set while a goroutine waits until results can be stored.
	awaitingStore atomic.Bool
}

// freed is what a job no longer needs.
type freed struct{ slots, goroutines int }

// startedJob is a job that has a slot.
type startedJob struct {
	delivery *queue.Delivery
	granted  permit
}

// lane is a lane of a pool.
type lane struct {
	*queue.Lane
	// pull is the open pull, nil if there is none. permit is for its jobs.
	pull   *queue.Pull
	permit permit
	// want is how many jobs to pull.
	want int
	// emptyAt is when the lane had no job, zero if it may have one.
	emptyAt time.Time
}

func newPool(ctx context.Context, q *queue.Queue, name string, slots int, kinds ...job.Kind) (*pool, error) {
	puller, err := q.Puller()
	if err != nil {
		return nil, err
	}
	pl := &pool{
		name: name, slots: slots, puller: puller,
		started: make(chan startedJob, slots), finishing: make(chan struct{}, finishingPerSlot*slots), done: make(chan freed, slots),
	}
	for _, kind := range kinds {
		for _, name := range job.Lanes() {
			l, err := q.Lane(ctx, kind, name)
			if err != nil {
				puller.Close()
				return nil, err
			}
			added := &lane{Lane: l}
			pl.lanes = append(pl.lanes, added)
			if name == job.LaneGuest {
				pl.guests = append(pl.guests, added)
			} else {
				pl.members = append(pl.members, added)
			}
		}
	}
	return pl, nil
}

// next returns the first usable lane for the next job: members first, every fourth time guests first, and the kinds in
// rotation. It returns nil if no lane is usable.
func (pl *pool) next(usable func(*lane) bool) *lane {
	turn := pl.turns + 1
	by, first, second := turn, pl.members, pl.guests
	if turn%guestEvery == 0 {
		// Rotate by the number of guest turns; by turn, the guests would always start with the same kind.
		by, first, second = turn/guestEvery, pl.guests, pl.members
	}
	for _, lanes := range [][]*lane{first, second} {
		for i := range lanes {
			if l := lanes[(by+i)%len(lanes)]; usable(l) {
				pl.turns = turn
				return l
			}
		}
	}
	return nil
}

// runPool fetches and runs jobs until pulling ends, and then waits for the running jobs, which continue until working ends.
func (p *Processor) runPool(pulling, working context.Context, pl *pool) {
	defer pl.puller.Close()
	defer close(pl.started)
	if pl.slots == 0 {
		return
	}
	check := time.NewTicker(checkInterval)
	defer check.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	// A job that arrives without a free slot is returned as on a shutdown: at once and without counting.
	returning, cancel := context.WithCancelCause(working)
	cancel(errShutdown)
	var drained <-chan struct{}
	for stopping := pulling.Done(); pulling.Err() == nil || pl.occupied > 0 || pl.puller.Open() > 0; {
		changed := p.control.Changed()
		if pulling.Err() == nil {
			p.fill(pulling, pl)
		}
		var retried <-chan time.Time
		if pl.blocked {
			wait := maxIdle
			if pl.yielding.active {
				wait = yieldCheck
			}
			retry.Reset(p.breaker.nextRetry(wait))
			retried = retry.C
		}
		select {
		case m := <-pl.puller.Arrived():
			pull, d, err := pl.puller.Receive(m)
			if d == nil {
				p.endPull(pulling, pl, pull, err)
				break
			}
			granted := p.permitFor(pulling, pl, pull, d)
			if pulling.Err() != nil || pl.busy == pl.slots {
				p.slots.Go(func() { p.runJob(returning, d, granted, nil) })
				break
			}
			p.addBusy(pl, 1)
			if pl.occupied++; pl.occupied > pl.running {
				pl.running++
				p.slots.Go(func() { p.runStarted(working, pl) })
			}
			pl.started <- startedJob{d, granted}
		case free := <-pl.done:
			// Slots that became free together share a pull.
			free = drain(pl.done, free)
			pl.occupied -= free.goroutines
			if free.slots == 0 {
				break
			}
			p.addBusy(pl, -free.slots)
			for _, l := range pl.lanes {
				if l.pull == nil {
					l.emptyAt = time.Time{}
				}
			}
		case <-check.C:
			p.endLost(pulling, pl)
		case <-drained:
			drained = nil
			p.endLost(pulling, pl)
		case <-changed:
		case <-retried:
		case <-stopping:
			stopping = nil
			if p.besideAPI { // It submits no more jobs.
				drained = pl.puller.Drain()
			}
		}
	}
}

// drain adds what is in a channel to what was received before.
func drain(c <-chan freed, sum freed) freed {
	for {
		select {
		case more := <-c:
			sum.slots += more.slots
			sum.goroutines += more.goroutines
		default:
			return sum
		}
	}
}

// runStarted runs jobs that have a slot until there are no more. A slot is free as soon as its job has ended: what is left to do may
// wait for others, and needs no upstream.
func (p *Processor) runStarted(ctx context.Context, pl *pool) {
	for started := range pl.started {
		finishing := false
		p.runJob(ctx, started.delivery, started.granted, func() {
			if finishing {
				return
			}
			select {
			case pl.finishing <- struct{}{}:
				finishing = true
				pl.done <- freed{slots: 1}
			default: // Too many are finishing already.
			}
		})
		if finishing {
			<-pl.finishing
			pl.done <- freed{goroutines: 1}
		} else {
			pl.done <- freed{slots: 1, goroutines: 1}
		}
	}
}

// runJob runs a job. It calls ended, if not nil, once or more often when the job has ended and only has to be removed from the queue.
func (p *Processor) runJob(ctx context.Context, d *queue.Delivery, granted permit, ended func()) {
	defer p.breaker.release(granted)
	d.Decode()
	p.work(ctx, d, granted, ended)
}

// permitFor returns the permit for a job that a pull has brought; pull is nil if it was given up before.
func (p *Processor) permitFor(ctx context.Context, pl *pool, pull *queue.Pull, d *queue.Delivery) permit {
	if pull == nil {
		return permit{upstream: d.Kind.Upstream()}
	}
	p.queueOutage.end(ctx, pull.Sent)
	l := pl.laneOf(pull)
	if l.emptyAt = (time.Time{}); d.Pending == 0 {
		l.emptyAt = time.Now()
	}
	if pull.Left == 0 {
		l.pull = nil
	}
	return l.permit
}

// endPull records that a pull has ended without bringing all its jobs. It does nothing if pull is nil.
func (p *Processor) endPull(ctx context.Context, pl *pool, pull *queue.Pull, err error) {
	if pull != nil {
		l := pl.laneOf(pull)
		l.pull, l.emptyAt = nil, time.Now()
		p.breaker.release(l.permit)
	}
	if err != nil {
		p.failed(ctx, pl, err)
	} else if pull != nil {
		p.queueOutage.end(ctx, pull.Sent)
	}
}

// endLost ends the pulls that can bring no more jobs.
func (p *Processor) endLost(ctx context.Context, pl *pool) {
	for pull, err := pl.puller.Lost(); pull != nil; pull, err = pl.puller.Lost() {
		p.endPull(ctx, pl, pull, err)
	}
}

func (p *Processor) failed(ctx context.Context, pl *pool, err error) {
	p.queueOutage.report(ctx, err)
	pl.retryAt = time.Now().Add(outageRetryDelay)
}

func (pl *pool) laneOf(pull *queue.Pull) *lane {
	return pl.lanes[slices.IndexFunc(pl.lanes, func(l *lane) bool { return l.pull == pull })]
}

// awaitStore reports whether results cannot be stored now. Nothing is fetched until a goroutine that tries it succeeds.
func (p *Processor) awaitStore(ctx context.Context, pl *pool) bool {
	if !p.storeOutage.isRefusing() {
		return false
	}
	if pl.awaitingStore.CompareAndSwap(false, true) {
		p.slots.Go(func() {
			defer pl.awaitingStore.Store(false)
			p.storeOutage.waitUntilAccepting(ctx, p.cfg.writeTimeout(0))
		})
	}
	return true
}

// addBusy adds to the number of busy slots.
func (p *Processor) addBusy(pl *pool, by int) {
	pl.busy += by
	p.metrics.WorkerSlots.WithLabelValues(pl.name, "busy").Set(float64(pl.busy))
	p.metrics.WorkerSlots.WithLabelValues(pl.name, "free").Set(float64(pl.slots - pl.busy))
}
