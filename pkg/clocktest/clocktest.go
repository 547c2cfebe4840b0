// Package clocktest provides the clock of tests.
package clocktest

import (
	"sync/atomic"
	"time"
)

// Clock is a clock that stands still until a test moves it. Its methods may be called concurrently.
type Clock struct{ at atomic.Pointer[time.Time] }

// New returns a clock that shows a time.
func New(at time.Time) *Clock {
	c := &Clock{}
	c.Set(at)
	return c
}

// Now returns the time that the clock shows. It replaces time.Now.
func (c *Clock) Now() time.Time { return *c.at.Load() }

// Set sets the clock.
func (c *Clock) Set(at time.Time) { c.at.Store(&at) }

// Advance moves the clock, forward or back.
func (c *Clock) Advance(d time.Duration) {
	for {
		at := c.at.Load()
		next := at.Add(d)
		if c.at.CompareAndSwap(at, &next) {
			return
		}
	}
}
