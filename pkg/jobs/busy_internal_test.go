package jobs

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// A service remains busy between waves of submissions, but not while submissions hang.
func TestBusy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := burst{epoch: time.Now()}
		check := func(what string, busy bool) {
			t.Helper()
			if b.busy() != busy {
				t.Errorf("%s: busy %t, want %t", what, b.busy(), busy)
			}
		}
		many := busyPerThread*runtime.GOMAXPROCS(0) + 1
		begin, end := func() {
			for range many {
				b.begin()
			}
		}, func() {
			for range many {
				b.end()
			}
		}
		check("at the start", false)
		for range 2 * many {
			b.begin()
			b.end()
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
		check("submissions that hang", false)
		b.end()
		b.begin()
		check("another submission beside them", true)
	})
}
