package heap

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
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
		"calm":                   repeat(20, step{2, 20 * mib, 100}),
		"load":                   {{0, 20 * mib, 100}, {3, 20 * mib, 175}, {3, 20 * mib, 175}},
		"load on a large heap":   {{0, 20 * mib, 100}, {5, 256 * mib, 125}, {5, 64 << 30, 100}},
		"an empty heap":          {{9, 0, 175}},
		"pauses between bursts":  append(append([]step{{5, mib, 175}}, repeat(9, step{0, mib, 175})...), step{5, mib, 175}, step{2, mib, 175}),
		"calm again":             append([]step{{5, mib, 175}}, append(repeat(9, step{2, mib, 175}), step{2, mib, 100}, step{2, mib, 100})...),
		"growing while the load": {{4, 32 * mib, 175}, {4, 128 * mib, 150}, {4, 32 * mib, 175}},
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

func TestAdaptEnds(t *testing.T) {
	t.Setenv("GOGC", "100")
	Adapt(t.Context()) // It returns at once.
}

// TestAdaptUnderLoad sees the setting of the process change with the collections, in the time of a test.
func TestAdaptUnderLoad(t *testing.T) {
	if value, set := os.LookupEnv("GOGC"); set {
		t.Setenv("GOGC", value) // Restores it.
		must(t, os.Unsetenv("GOGC"))
	}
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
		if percent := currentPercent(); percent <= normalPercent {
			t.Errorf("under load, GOGC is %d", percent)
		}
		time.Sleep(calmIntervals * interval)
		synctest.Wait()
		if percent := currentPercent(); percent != normalPercent {
			t.Errorf("after the load, GOGC is %d", percent)
		}
	})
}

func currentPercent() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
