package queue_test

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// Pushes make a queue busy if there are more of them at a time than the cores can handle.
func TestPushesMakeQueueBusy(t *testing.T) {
	t.Parallel()
	few := 12 * runtime.GOMAXPROCS(0)
	for jobs, busy := range map[int]bool{few: false, few + 1: true} {
		t.Run(fmt.Sprintf("%d pushes", jobs), func(t *testing.T) {
			t.Parallel()
			q, wire, _ := slow(t)
			h := hold(wire, isJob)
			var pushes sync.WaitGroup
			for n := range jobs {
				pushes.Go(func() {
					if _, err := q.Push(t.Context(), image(fmt.Sprintf("j%d", n)), false); err != nil {
						t.Error(err)
					}
				})
			}
			h.await(t, jobs, 1)
			if q.WasBusy() != busy {
				t.Errorf("busy %t, want %t", q.WasBusy(), busy)
			}
			h.release()
			pushes.Wait()
			if n := q.OpenPushes(); n != 0 {
				t.Errorf("%d pushes are still counted", n)
			}
			await(t, "no longer busy", func() bool { return !q.Busy() })
		})
	}
}
