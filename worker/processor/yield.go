package processor

import "time"

const (
	// maxYield is for how long a pool fetches no jobs while its process accepts a burst of them.
	maxYield = time.Second
	// yieldRecovery is how many times as long a pool must fetch jobs before it may yield for the same time again. A burst that does not
	// end therefore takes a tenth of the time of the workers.
	yieldRecovery = 10
	// yieldCheck is how often a pool that yields checks whether the burst is over.
	yieldCheck = 3 * time.Millisecond
)

// yielding decides when a pool leaves the cores to the submissions that its process accepts: clients wait for their responses, and
// jobs wait in the queue anyway.
type yielding struct {
	// used is how much of maxYield is used up, as of at.
	used time.Duration
	at   time.Time
	// active reports whether the pool has yielded since at.
	active bool
}

// update reports whether to yield until the next call.
func (y *yielding) update(now time.Time, busy bool) bool {
	if passed := now.Sub(y.at); y.active {
		y.used += passed
	} else {
		y.used = max(0, y.used-passed/yieldRecovery)
	}
	y.at, y.active = now, busy && y.used < maxYield
	return y.active
}
