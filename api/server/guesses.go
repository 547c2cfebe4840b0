package server

import (
	"sync"
	"time"
)

const (
	// maxGuesses is how many wrong keys an address may send within guessWindow.
	maxGuesses  = 10
	guessWindow = time.Minute
	// maxGuessers bounds how many addresses are remembered.
	maxGuessers = 10_000
)

// guesses counts wrong keys by address. Each process counts for itself: that a guesser may have a few more tries where
// several run does not bring him nearer to a key.
type guesses struct {
	now    func() time.Time
	most   int
	window time.Duration
	// longest is what the window grows to, twice as long after each that was used up; the window itself when it does not
	// grow.
	longest time.Duration

	mu sync.Mutex
	by map[string]guessing
}

// guessing is what came from one address since its window began.
type guessing struct {
	ends time.Time
	n    int
	// full counts the windows before this one, without a break, that were used up.
	full int
}

func newGuesses(now func() time.Time) *guesses {
	return newLimit(now, maxGuesses, guessWindow)
}

// newLimit counts other things than keys in the same way, up to most within a window.
func newLimit(now func() time.Time, most int, window time.Duration) *guesses {
	return &guesses{now: now, most: most, window: window, longest: window, by: map[string]guessing{}}
}

// newGrowing is newLimit for what people may do again soon and machines may not go on with.
func newGrowing(now func() time.Time, most int, window, longest time.Duration) *guesses {
	g := newLimit(now, most, window)
	g.longest = longest
	return g
}

// forgive takes one back.
func (g *guesses) forgive(address string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if seen, known := g.by[address]; known && seen.n > 0 {
		seen.n--
		g.by[address] = seen
	}
}

// wait returns for how long an address has to wait, 0 when it does not have to.
func (g *guesses) wait(address string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if seen := g.by[address]; seen.n >= g.most {
		return max(0, seen.ends.Sub(g.now()))
	}
	return 0
}

// add counts a wrong key, and returns for how long the address has to wait when it was one too many, which then does
// not count.
func (g *guesses) add(address string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	seen, known := g.by[address]
	if !known || !now.Before(seen.ends) {
		if !known {
			g.makeRoom(now)
		}
		seen = g.next(seen, now)
	}
	if seen.n >= g.most {
		return seen.ends.Sub(now)
	}
	seen.n++
	g.by[address] = seen
	return 0
}

// next returns the window that follows on another, which is nothing for a new address. Whoever lets as much time pass
// as a window may last begins anew.
func (g *guesses) next(last guessing, now time.Time) guessing {
	window, full := g.window, 0
	if last.n >= g.most && now.Sub(last.ends) < g.longest {
		full = last.full + 1
	}
	for range full {
		window = min(2*window, g.longest)
	}
	return guessing{ends: now.Add(window), full: full}
}

// makeRoom forgets addresses whose window has ended and, when that is not enough, any other one.
func (g *guesses) makeRoom(now time.Time) {
	if len(g.by) < maxGuessers {
		return
	}
	for address, seen := range g.by {
		if !now.Before(seen.ends) {
			delete(g.by, address)
		}
	}
	for address := range g.by {
		if len(g.by) < maxGuessers {
			return
		}
		delete(g.by, address)
	}
}
