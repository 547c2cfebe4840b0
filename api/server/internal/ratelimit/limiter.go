package ratelimit

import (
	"container/heap"
	"sync"
	"time"
)

// maxKeys bounds how many keys a Limiter remembers, and with that its memory.
const maxKeys = 10_000

// Limiter limits the attempts of each key within a window of time, which begins with the first attempt of the key. With
// several processes a client can make a few times as many attempts, still too few to guess a secret.
type Limiter struct {
	now    func() time.Time
	max    int
	window time.Duration
	// longest is the maximum length of a window; it equals window if windows do not grow.
	longest time.Duration

	mu sync.Mutex
	by map[string]*counter
	// order is a heap of the same counters by the end of their windows.
	order endHeap
}

// counter holds the attempts of one key since its window began.
type counter struct {
	key   string
	ends  time.Time
	n     int
	index int
	// exhausted is the number of consecutive exhausted windows before this one.
	exhausted int
}

// New returns a Limiter that allows each key up to limit attempts within a window.
func New(now func() time.Time, limit int, window time.Duration) *Limiter {
	return &Limiter{now: now, max: limit, window: window, longest: window, by: make(map[string]*counter)}
}

// NewGrowing returns a Limiter whose windows double, up to longest, each time a key has exhausted one. People can soon try
// again; programs that keep guessing cannot.
func NewGrowing(now func() time.Time, limit int, window, longest time.Duration) *Limiter {
	l := New(now, limit, window)
	l.longest = longest
	return l
}

// Take counts an attempt and returns 0. If the key has none left it counts nothing and returns how long to wait. It takes
// O(log n) time for n keys.
func (l *Limiter) Take(key string) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	c := l.by[key]
	switch {
	case c == nil:
		c = l.add(key, now)
	case !now.Before(c.ends):
		l.restart(c, now)
	}
	if c.n >= l.max {
		return c.ends.Sub(now)
	}
	c.n++
	return 0
}

// Refund undoes a Take.
func (l *Limiter) Refund(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.by[key]; c != nil && c.n > 0 {
		c.n--
	}
}

// Wait returns how long a key has to wait before its next attempt, or 0. It counts nothing.
func (l *Limiter) Wait(key string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if c := l.by[key]; c != nil && c.n >= l.max {
		return max(0, c.ends.Sub(l.now()))
	}
	return 0
}

// add returns the counter of a new key. If there are maxKeys counters it evicts the one whose window ends first.
func (l *Limiter) add(key string, now time.Time) *counter {
	if len(l.by) >= maxKeys {
		evicted, _ := heap.Pop(&l.order).(*counter)
		delete(l.by, evicted.key)
	}
	c := &counter{key: key, ends: now.Add(l.window)}
	l.by[key] = c
	heap.Push(&l.order, c)
	return c
}

// restart begins the next window of a key. After a pause of longest the window has its initial length.
func (l *Limiter) restart(c *counter, now time.Time) {
	exhausted, window := 0, l.window
	if c.n >= l.max && now.Sub(c.ends) < l.longest {
		exhausted = c.exhausted + 1
	}
	for range exhausted {
		window = min(2*window, l.longest)
	}
	c.ends, c.n, c.exhausted = now.Add(window), 0, exhausted
	heap.Fix(&l.order, c.index)
}

// endHeap is a heap.Interface of counters by the end of their windows.
type endHeap []*counter

func (h endHeap) Len() int           { return len(h) }
func (h endHeap) Less(i, j int) bool { return h[i].ends.Before(h[j].ends) }

func (h endHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *endHeap) Push(x any) {
	c, _ := x.(*counter)
	c.index = len(*h)
	*h = append(*h, c)
}

func (h *endHeap) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return c
}
