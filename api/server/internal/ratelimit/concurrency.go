package ratelimit

import "sync"

// Concurrency limits how many units are in use at once, in total and by key. Its zero value is ready to use.
type Concurrency struct {
	mu    sync.Mutex
	total int
	by    map[string]int
}

// Bound is the maximum number of units in use under a key; a Max of 0 is no limit.
type Bound struct {
	Key string
	Max int
}

// Reserve reserves one unit under every key, and one of total units; a total of 0 is no limit. If a limit is reached it
// reserves nothing; exceeded is then the bound, or nil for the total. release frees the units and may be called more than
// once.
func (c *Concurrency) Reserve(total int, bounds ...Bound) (release func(), exceeded *Bound, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, b := range bounds {
		if b.Max > 0 && c.by[b.Key] >= b.Max {
			return nil, &b, false
		}
	}
	if total > 0 && c.total >= total {
		return nil, nil, false
	}
	if c.by == nil {
		c.by = make(map[string]int)
	}
	c.total++
	for _, b := range bounds {
		c.by[b.Key]++
	}
	return sync.OnceFunc(func() { c.release(bounds) }), nil, true
}

func (c *Concurrency) release(bounds []Bound) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	for _, b := range bounds {
		if c.by[b.Key]--; c.by[b.Key] == 0 {
			delete(c.by, b.Key)
		}
	}
}

// Used returns how many units are in use, and under how many keys.
func (c *Concurrency) Used() (total, keys int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total, len(c.by)
}
