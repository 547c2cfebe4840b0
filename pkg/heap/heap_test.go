package heap

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"testing/synctest"
	"time"
)

func TestPace(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	type step struct {
		collections, live uint64
		want              int
	}
	repeat := func(n int, s step) []step {
		steps := make([]step, n)
		for i := range steps {
			steps[i] = s
		}
		return steps
	}
	for name, steps := range map[string][]step{
		"calm":                  repeat(20, step{2, 20 * mib, 100}),
		"load":                  {{0, 20 * mib, 100}, {3, 20 * mib, 175}, {3, 20 * mib, 175}},
		"load on a large heap":  {{0, 20 * mib, 100}, {5, 256 * mib, 125}, {5, 64 << 30, 100}},
		"an empty heap":         {{9, 0, 175}},
		"pauses between bursts": append(append([]step{{5, mib, 175}}, repeat(9, step{0, mib, 175})...), step{5, mib, 175}, step{2, mib, 175}),
		"calm again":            append([]step{{5, mib, 175}}, append(repeat(9, step{2, mib, 175}), step{2, mib, 100}, step{2, mib, 100})...),
		"a heap that grows":     {{4, 32 * mib, 175}, {4, 128 * mib, 150}, {4, 32 * mib, 175}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p pace
			total, last := uint64(1000), 100
			p.measure(total, 0)
			for i, s := range steps {
				total += s.collections
				percent, changed := p.measure(total, s.live)
				if percent != s.want || changed != (percent != last) {
					t.Fatalf("step %d: got %d, changed %v; want %d", i, percent, changed, s.want)
				}
				last = percent
			}
		})
	}
}

// TestAdapt sees the setting of the process change with the collections, in the time of a test.
func TestAdapt(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(normalPercent))
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go Adapt(ctx)
		synctest.Wait()
		for range frequent {
			runtime.GC()
		}
		time.Sleep(interval)
		synctest.Wait()
		if got := percent(); got <= normalPercent {
			t.Errorf("under load, GOGC is %d", got)
		}
		time.Sleep(calmIntervals * interval)
		synctest.Wait()
		if got := percent(); got != normalPercent {
			t.Errorf("after the load, GOGC is %d", got)
		}
	})
}

func TestAdaptLeavesGOGCAlone(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(300))
	Adapt(t.Context()) // It returns at once.
	if got := percent(); got != 300 {
		t.Errorf("GOGC is %d", got)
	}
}
