package jobs

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	// busyPerThread is how many submissions must be in progress for each thread that runs Go code (GOMAXPROCS) for a Service to be busy.
	busyPerThread = 12
	// busyFor is how long it remains busy. Submissions that share a sync to disk end together, and their callers take some milliseconds to
	// send the next ones.
	busyFor = 10 * time.Millisecond
)

// burst counts the submissions that are in progress.
type burst struct {
	epoch time.Time
	open  atomic.Int64
	// busyAt is when there were last enough of them to be busy, in nanoseconds after epoch; 0 if there never were.
	busyAt atomic.Int64
}

func (b *burst) begin() {
	if b.open.Add(1) > int64(busyPerThread*runtime.GOMAXPROCS(0)) {
		b.busyAt.Store(int64(time.Since(b.epoch)))
	}
}

func (b *burst) end() { b.open.Add(-1) }

func (b *burst) busy() bool {
	at := b.busyAt.Load()
	return at > 0 && time.Since(b.epoch)-time.Duration(at) < busyFor
}

// Busy reports whether jobs are being submitted in a burst by Submitters of the Service: there are or were, some milliseconds ago, more
// than twelve submissions at a time for each thread that runs Go code. It reads memory.
func (s *Service) Busy() bool { return s.burst.busy() }
