package ratelimit

import (
	"fmt"
	"testing"
	"time"
)

func TestLimiter(t *testing.T) {
	t.Parallel()
	now := time.Now()
	g := New(func() time.Time { return now }, 10, time.Minute)
	for i := range 10 {
		if wait := g.Take("a"); wait != 0 {
			t.Errorf("the attempt %d waits %s", i+1, wait)
		}
		now = now.Add(time.Second)
	}
	if wait := g.Wait("a"); wait != 50*time.Second {
		t.Errorf("after ten attemptes: %s", wait)
	}
	if wait := g.Take("a"); wait != 50*time.Second {
		t.Errorf("the eleventh attempt: %s", wait)
	}
	if wait := g.Wait("b"); wait != 0 {
		t.Errorf("another address: %s", wait)
	}
	now = now.Add(50 * time.Second)
	if wait := g.Wait("a"); wait != 0 {
		t.Errorf("when the minute is over: %s", wait)
	}
	if wait := g.Take("a"); wait != 0 {
		t.Errorf("the first attempt of the next minute: %s", wait)
	}
	// However many keys there are, the memory stays bounded.
	for i := range 3 * maxKeys {
		g.Take(fmt.Sprint(i))
		if i%5000 == 0 {
			now = now.Add(20 * time.Second)
		}
	}
	if n := len(g.by); n > maxKeys {
		t.Errorf("%d keys are remembered", n)
	}
}

// TestWindowsGrow uses up each window as soon as it begins.
func TestWindowsGrow(t *testing.T) {
	t.Parallel()
	now := time.Now()
	g := NewGrowing(func() time.Time { return now }, 2, 5*time.Minute, 30*time.Minute)
	use := func() time.Duration {
		t.Helper()
		for range 2 {
			if wait := g.Take("a"); wait != 0 {
				t.Errorf("an attempt waits %s", wait)
			}
		}
		return g.Take("a")
	}
	for _, want := range []time.Duration{5, 10, 20, 30, 30} {
		wait := use()
		if wait != want*time.Minute {
			t.Errorf("waits %s, want %d minutes", wait, want)
		}
		now = now.Add(wait)
	}
	now = now.Add(30 * time.Minute)
	if wait := use(); wait != 5*time.Minute {
		t.Errorf("after a long silence: %s", wait)
	}
	// A window that was not used up makes the next one no longer.
	now = now.Add(5 * time.Minute)
	g.Take("a")
	now = now.Add(10 * time.Minute)
	if wait := use(); wait != 5*time.Minute {
		t.Errorf("after a single attempt: %s", wait)
	}
}

// TestFullLimiterForgetsEndedWindowsFirst fills a Limiter and then adds keys: blocked keys outlive those whose window has ended.
func TestFullLimiterForgetsEndedWindowsFirst(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := New(func() time.Time { return now }, 1, time.Minute)
	for i := range maxKeys - 1 {
		l.Take(fmt.Sprint(i))
	}
	now = now.Add(59 * time.Second)
	l.Take("blocked")
	now = now.Add(time.Second)
	for i := range maxKeys - 1 {
		l.Take(fmt.Sprint("new ", i))
	}
	if wait := l.Wait("blocked"); wait != 59*time.Second {
		t.Errorf("a blocked key waits %s", wait)
	}
	if len(l.by) != maxKeys || len(l.order) != maxKeys {
		t.Errorf("%d keys, %d in order", len(l.by), len(l.order))
	}
}
