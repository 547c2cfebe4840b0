package server

import "sync"

// concurrency counts what is in use at once, in all and by key, and bounds both. Its zero value is empty.
type concurrency struct {
	mu    sync.Mutex
	total int
	by    map[string]int
}

// quantity is how many things may be in use at once under a key; 0 is no limit.
type quantity struct {
	key string
	max int
}

// reserve takes one place under every key, and one of total places in all; a total of 0 is no limit. It takes none when
// one of them is full: exceeded is then the bound that was reached, nil when it is the total. release gives the place
// back and may be called more than once.
func (l *concurrency) reserve(total int, bounds ...quantity) (release func(), exceeded *quantity, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range bounds {
		if b.max > 0 && l.by[b.key] >= b.max {
			return nil, &b, false
		}
	}
	if total > 0 && l.total >= total {
		return nil, nil, false
	}
	if l.by == nil {
		l.by = make(map[string]int)
	}
	l.total++
	for _, b := range bounds {
		l.by[b.key]++
	}
	return sync.OnceFunc(func() { l.release(bounds) }), nil, true
}

func (l *concurrency) release(bounds []quantity) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	for _, b := range bounds {
		if l.by[b.key]--; l.by[b.key] == 0 {
			delete(l.by, b.key)
		}
	}
}

// used returns how many places are taken, and under how many keys.
func (l *concurrency) used() (total, keys int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.total, len(l.by)
}
