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

	mu sync.Mutex
	by map[string]guessing
}

// guessing is what came from one address since its window began.
type guessing struct {
	ends time.Time
	n    int
}

func newGuesses(now func() time.Time) *guesses {
	return newLimit(now, maxGuesses, guessWindow)
}

// newLimit counts other things than keys in the same way, up to most within a window.
func newLimit(now func() time.Time, most int, window time.Duration) *guesses {
	return &guesses{now: now, most: most, window: window, by: map[string]guessing{}}
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

// add counts a wrong key, and returns for how long the address has to wait when it was one too many.
func (g *guesses) add(address string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	seen, known := g.by[address]
	if !known || !now.Before(seen.ends) {
		if !known {
			g.makeRoom(now)
		}
		seen = guessing{ends: now.Add(g.window)}
	}
	over := seen.n >= g.most
	seen.n++
	g.by[address] = seen
	if over {
		return seen.ends.Sub(now)
	}
	return 0
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
