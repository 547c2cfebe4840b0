package simulator

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Delay is a span from which each answer draws its own duration.
type Delay struct{ Min, Max time.Duration }

// Latency is how long good answers take, by kind. Cached answers and scripted
// faults are not delayed by it.
type Latency struct {
	Image, Speech, Chat Delay
	// Token is the pause between two pieces of a streamed chat.
	Token Delay
}

// DemoLatency returns latencies that make a demo look alive without making
// anybody wait.
func DemoLatency() Latency {
	return Latency{
		Image:  Delay{Min: 600 * time.Millisecond, Max: 1500 * time.Millisecond},
		Speech: Delay{Min: 300 * time.Millisecond, Max: 800 * time.Millisecond},
		Chat:   Delay{Min: 200 * time.Millisecond, Max: 500 * time.Millisecond},
		Token:  Delay{Min: 8 * time.Millisecond, Max: 25 * time.Millisecond},
	}
}

// dice is the one source of chance that has to be repeatable.
type dice struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func newDice(seed uint64) *dice {
	return &dice{rand: rand.New(rand.NewPCG(seed, 0x51b))} //nolint:gosec // Repeatable, not secret.
}

// draw returns a duration of the span.
func (d *dice) draw(span Delay) time.Duration {
	if span.Max <= span.Min {
		return span.Min
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return span.Min + time.Duration(d.rand.Int64N(int64(span.Max-span.Min)+1))
}

// hit reports true with the given probability.
func (d *dice) hit(probability float64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.Float64() < probability
}

// seed returns a seed for a request that asked for a random one.
func (d *dice) seed() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rand.Int64N(maxSeed + 1)
}

// pause waits for a duration; it fails with the cause when ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
