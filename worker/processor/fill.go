package processor

import (
	"cmp"
	"context"
	"slices"
	"time"
)

const (
	// idleWait is how long a pull waits on a lane without jobs. Its slots are not available to other lanes meanwhile.
	idleWait = 2 * time.Second
	// shortWait replaces idleWait while there are fewer free slots than lanes, so that every lane is watched in turn.
	shortWait = 100 * time.Millisecond
	// A pull that waits gets a slot, and this share of the slots that no lane needs: a burst of jobs then needs fewer pulls.
	idleShare = 8
)

// fill pulls jobs for the free slots. It asks the lanes that may have jobs first, for one job per slot. If none has, it
// leaves a pull open on each. It skips lanes whose circuit breaker is open or whose kind an operator has paused. It pulls nothing while it
// yields to submissions.
func (p *Processor) fill(ctx context.Context, pl *pool) {
	spare := pl.slots - pl.busy - pl.puller.Open()
	now := time.Now()
	pl.blocked = pl.yielding.update(now, spare > 0 && p.busy != nil && p.busy())
	if spare <= 0 || pl.blocked || now.Before(pl.retryAt) || p.awaitStore(ctx, pl) {
		return
	}
	for _, l := range pl.lanes {
		if l.pull != nil && l.pull.Wait == 0 {
			// The slots that become free meanwhile share the next pull.
			return
		}
	}
	var err error
	for ; spare > 0; spare-- {
		l := pl.next(func(l *lane) bool { return l.pull == nil && l.emptyAt.IsZero() && p.mayAdd(pl, l) })
		if l == nil {
			break
		}
		l.want++
	}
	for _, l := range pl.lanes {
		if l.want > 0 {
			if failed := p.pull(pl, l, 0); failed != nil {
				err = failed
			}
		}
	}
	if err == nil {
		err = p.watch(pl, spare)
	}
	if err != nil {
		p.failed(ctx, pl, err)
	}
}

// mayAdd reports whether a lane may be asked for one more job. One job alone may probe the upstream.
func (p *Processor) mayAdd(pl *pool, l *lane) bool {
	if l.want > 0 {
		return !l.permit.probe
	}
	granted, ok := p.breaker.acquire(l.Kind)
	l.permit, pl.blocked = granted, pl.blocked || !ok
	return ok
}

// watch leaves pulls open on the lanes that are known to be empty, first on the one that has not been watched for the longest
// time.
func (p *Processor) watch(pl *pool, spare int) error {
	var unwatched []*lane
	for _, l := range pl.lanes {
		if l.pull == nil && !l.emptyAt.IsZero() {
			unwatched = append(unwatched, l)
		}
	}
	slices.SortFunc(unwatched, func(x, y *lane) int { return x.emptyAt.Compare(y.emptyAt) })
	for i, l := range unwatched {
		if spare == 0 {
			break
		}
		if !p.mayAdd(pl, l) {
			continue
		}
		wait, more := cmp.Or(p.cfg.hooks.IdleWait, idleWait), spare-(len(unwatched)-i)
		if more < 0 || l.permit.probe {
			wait = shortWait
		}
		l.want = 1
		if !l.permit.probe {
			l.want += max(0, more) / idleShare
		}
		spare -= l.want
		if err := p.pull(pl, l, wait); err != nil {
			return err
		}
	}
	return nil
}

// pull opens a pull for as many jobs as are wanted, or returns the permit for them.
func (p *Processor) pull(pl *pool, l *lane, wait time.Duration) error {
	pull, err := pl.puller.Request(l.Lane, l.want, wait)
	l.pull, l.want = pull, 0
	if err != nil {
		p.breaker.release(l.permit)
	}
	return err
}
