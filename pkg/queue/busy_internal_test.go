package queue

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// A queue remains busy between waves of pushes, but not while pushes hang.
func TestBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pushes{epoch: time.Now()}
		check := func(what string, busy bool) {
			t.Helper()
			if p.busy() != busy {
				t.Errorf("%s: busy %t, want %t", what, p.busy(), busy)
			}
		}
		many := busyPerThread*runtime.GOMAXPROCS(0) + 1
		begin, end := func() {
			for range many {
				p.begin()
			}
		}, func() {
			for range many {
				p.end()
			}
		}
		check("at the start", false)
		for range 2 * many {
			p.begin()
			p.end()
		}
		check("one after the other", false)
		time.Sleep(time.Millisecond)
		for range 3 {
			begin()
			check("in a wave", true)
			end()
			time.Sleep(busyFor - time.Nanosecond)
			check("between waves", true)
		}
		time.Sleep(time.Nanosecond)
		check("after the last wave", false)
		begin()
		time.Sleep(busyFor)
		check("pushes that hang", false)
		p.end()
		p.begin()
		check("another push beside them", true)
	})
}
