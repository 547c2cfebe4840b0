package server_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
)

func TestGuesses(t *testing.T) {
	t.Parallel()
	now := time.Now()
	g := server.NewGuesses(func() time.Time { return now })
	for i := range 10 {
		if wait := g.Add("a"); wait != 0 {
			t.Errorf("the guess %d waits %s", i+1, wait)
		}
		now = now.Add(time.Second)
	}
	if wait := g.Wait("a"); wait != 50*time.Second {
		t.Errorf("after ten guesses: %s", wait)
	}
	if wait := g.Add("a"); wait != 50*time.Second {
		t.Errorf("the eleventh guess: %s", wait)
	}
	if wait := g.Wait("b"); wait != 0 {
		t.Errorf("another address: %s", wait)
	}
	now = now.Add(50 * time.Second)
	if wait := g.Wait("a"); wait != 0 {
		t.Errorf("when the minute is over: %s", wait)
	}
	if wait := g.Add("a"); wait != 0 {
		t.Errorf("the first guess of the next minute: %s", wait)
	}
	// However many addresses guess, what is kept of them stays small.
	for i := range 3 * server.MaxGuessers {
		g.Add(fmt.Sprint(i))
		if i%5000 == 0 {
			now = now.Add(20 * time.Second)
		}
	}
	if n := g.Len(); n > server.MaxGuessers {
		t.Errorf("%d addresses are remembered", n)
	}
}

func TestGuesser(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"192.0.2.7": "192.0.2.7", "::ffff:192.0.2.7": "192.0.2.7", "2001:db8:1:2:3::4": "2001:db8:1:2::/64", "nonsense": "unknown",
	} {
		if got := server.Guesser(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
