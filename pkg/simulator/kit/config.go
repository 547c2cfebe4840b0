package kit

import (
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Config configures a simulator. The zero value responds at once, accepts any
// key and logs nothing.
type Config struct {
	// Logger receives starts, stops and server errors, never a prompt or a key.
	Logger *slog.Logger
	// Latency is the duration of successful responses; zero responds at once.
	Latency Latency
	// Keys lists the accepted API keys. When it is empty, any key that is not
	// blank is accepted. A generation without a key is always rejected.
	Keys []string
	// CacheBytes bounds the cache of generated media; zero means 64 MiB.
	CacheBytes int64
	// Balance is the balance of the account routes; zero means 8.44.
	Balance float64
	// Seed makes jitter and the rolls of rules with a Probability repeatable.
	Seed uint64
	// Now returns the time; nil means time.Now.
	Now func() time.Time
}

// Delay is a range of durations.
type Delay struct{ Min, Max time.Duration }

// Latency is the duration of successful responses, by kind. Cached responses and
// scripted faults are not delayed by it.
type Latency struct {
	Image, Speech, Chat Delay
	// Token is the pause between two pieces of a streamed chat.
	Token Delay
}

// random is the seeded source of everything that has to be repeatable.
type random struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func newRandom(seed uint64) *random {
	return &random{rand: rand.New(rand.NewPCG(seed, 0x51b))} //nolint:gosec // Repeatable, not secret.
}

// duration returns a random duration of a range.
func (r *random) duration(d Delay) time.Duration {
	if d.Max <= d.Min {
		return d.Min
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return d.Min + time.Duration(r.rand.Int64N(int64(d.Max-d.Min)+1))
}

// hit returns true with the given probability.
func (r *random) hit(probability float64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rand.Float64() < probability
}

// RandomSeed returns a seed from 0 to 2147483647, for a request that asks for a
// random one.
func (s *Server) RandomSeed() int64 {
	s.random.mu.Lock()
	defer s.random.mu.Unlock()
	return s.random.rand.Int64N(math.MaxInt32 + 1)
}
