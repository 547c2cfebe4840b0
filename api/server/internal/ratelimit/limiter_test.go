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
			t.Errorf("attempt %d has to wait %s", i+1, wait)
		}
		now = now.Add(time.Second)
	}
	if wait := g.Wait("a"); wait != 50*time.Second {
		t.Errorf("after ten attempts: wait %s", wait)
	}
	if wait := g.Take("a"); wait != 50*time.Second {
		t.Errorf("eleventh attempt: wait %s", wait)
	}
	if wait := g.Wait("b"); wait != 0 {
		t.Errorf("another key: wait %s", wait)
	}
	now = now.Add(50 * time.Second)
	if wait := g.Wait("a"); wait != 0 {
		t.Errorf("at the end of the window: wait %s", wait)
	}
	if wait := g.Take("a"); wait != 0 {
		t.Errorf("first attempt of the next window: wait %s", wait)
	}
	// The number of counters is bounded.
	for i := range 3 * maxKeys {
		g.Take(fmt.Sprint(i))
		if i%5000 == 0 {
			now = now.Add(20 * time.Second)
		}
	}
	if n := len(g.by); n > maxKeys {
		t.Errorf("%d counters", n)
	}
}

// TestGrowingWindows exhausts each window as soon as it begins.
func TestGrowingWindows(t *testing.T) {
	t.Parallel()
	now := time.Now()
	g := NewGrowing(func() time.Time { return now }, 2, 5*time.Minute, 30*time.Minute)
	use := func() time.Duration {
		t.Helper()
		for range 2 {
			if wait := g.Take("a"); wait != 0 {
				t.Errorf("attempt has to wait %s", wait)
			}
		}
		return g.Take("a")
	}
	for _, want := range []time.Duration{5, 10, 20, 30, 30} {
		wait := use()
		if wait != want*time.Minute {
			t.Errorf("wait %s, want %d minutes", wait, want)
		}
		now = now.Add(wait)
	}
	now = now.Add(30 * time.Minute)
	if wait := use(); wait != 5*time.Minute {
		t.Errorf("after a long pause: wait %s", wait)
	}
	// A window that was not exhausted does not lengthen the next one.
	now = now.Add(5 * time.Minute)
	g.Take("a")
	now = now.Add(10 * time.Minute)
	if wait := use(); wait != 5*time.Minute {
		t.Errorf("after a window that was not exhausted: wait %s", wait)
	}
}

// TestEviction fills a Limiter and then adds keys: those whose window has ended are evicted before blocked ones.
func TestEviction(t *testing.T) {
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
		t.Errorf("blocked key: wait %s", wait)
	}
	if len(l.by) != maxKeys || len(l.order) != maxKeys {
		t.Errorf("%d counters, %d in the heap", len(l.by), len(l.order))
	}
}
