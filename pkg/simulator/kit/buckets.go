package kit

import (
	"sync"
	"time"
)

// Buckets limits the rate of each API key with a token bucket.
type Buckets struct {
	now    func() time.Time
	size   time.Duration // the time to fill an empty bucket
	refill time.Duration // the time for one token
	mu     sync.Mutex
	full   map[string]time.Time // when the bucket of a key is full again
}

const maxBuckets = 10_000

// NewBuckets returns buckets of size tokens that gain one token every refill.
func NewBuckets(now func() time.Time, size int, refill time.Duration) *Buckets {
	return &Buckets{now: now, size: time.Duration(size) * refill, refill: refill, full: map[string]time.Time{}}
}

// Take takes a token of a key and returns zero, or returns how long to wait for
// one.
func (b *Buckets) Take(key string) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	if len(b.full) >= maxBuckets {
		clear(b.full)
	}
	full := b.full[key]
	if full.Before(now) {
		full = now
	}
	if wait := full.Add(b.refill).Sub(now) - b.size; wait > 0 {
		return wait
	}
	b.full[key] = full.Add(b.refill)
	return 0
}
