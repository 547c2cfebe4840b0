package queue

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// busyPerThread is how many pushes must be in progress for each thread that runs Go code (GOMAXPROCS) for a queue to be busy. A burst
	// of members with a quota has fewer than one of guests, since more of each submission is waiting for NATS, during which the workers
	// can use the cores.
	busyPerThread = 12
	// busyFor is how long a queue remains busy. Pushes that share a sync to disk end together, and their callers take some milliseconds to
	// send the next ones.
	busyFor = 10 * time.Millisecond
)

// pushes counts the pushes that are in progress.
type pushes struct {
	epoch time.Time
	open  atomic.Int64
	// busyAt is when there were last enough of them to be busy, in nanoseconds after epoch; 0 if there never were.
	busyAt atomic.Int64
}

func (p *pushes) begin() {
	if p.open.Add(1) > int64(busyPerThread*runtime.GOMAXPROCS(0)) {
		p.busyAt.Store(int64(time.Since(p.epoch)))
	}
}

func (p *pushes) end() { p.open.Add(-1) }

func (p *pushes) busy() bool {
	at := p.busyAt.Load()
	return at > 0 && time.Since(p.epoch)-time.Duration(at) < busyFor
}

// Busy reports whether jobs are being pushed through this Queue in a burst: there are or were, some milliseconds ago, more than twelve
// pushes at a time for each thread that runs Go code. It reads memory.
func (q *Queue) Busy() bool {
	return q.pushes.busy()
}
