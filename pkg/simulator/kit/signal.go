package kit

import (
	"context"
	"fmt"
	"sync"
)

// counters is a mutex around counters that others wait for.
type counters struct {
	sync.Mutex
	changed chan struct{} // closed when a counter changes
}

func newCounters() counters { return counters{changed: make(chan struct{})} }

// wake wakes everyone that waits. The mutex must be locked.
func (c *counters) wake() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// wait waits until count, which is called with the mutex locked, returns n. It fails
// when ctx ends first.
func (c *counters) wait(ctx context.Context, n int, what string, count func() int) error {
	for {
		c.Lock()
		seen, changed := count(), c.changed
		c.Unlock()
		if seen >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d %s, %d seen: %w", n, what, seen, context.Cause(ctx))
		}
	}
}
