package processor

import (
	"testing"
	"time"
)

// A pool yields to a short burst for as long as it lasts, and to one without an end for a second and then a tenth of the time.
func TestYielding(t *testing.T) {
	t.Parallel()
	const step = time.Millisecond
	var y yielding
	now := time.Now()
	// run passes time, and returns for how much of it the pool has yielded.
	run := func(length time.Duration, busy bool) (yielded time.Duration) {
		for range length / step {
			if y.update(now, busy) {
				yielded += step
			}
			now = now.Add(step)
		}
		return yielded
	}
	for _, part := range []struct {
		what        string
		length      time.Duration
		busy        bool
		least, most time.Duration
	}{
		{"no burst", time.Second, false, 0, 0},
		{"a short burst", 400 * time.Millisecond, true, 400 * time.Millisecond, 400 * time.Millisecond},
		{"a pause", 4 * time.Second, false, 0, 0},
		{"a long burst", time.Second, true, time.Second, time.Second},
		{"its continuation", 10 * time.Second, true, 800 * time.Millisecond, time.Second},
		{"a short pause", time.Second, false, 0, 0},
		{"another burst", time.Second, true, 90 * time.Millisecond, 200 * time.Millisecond},
		{"a long pause", 11 * time.Second, false, 0, 0},
		{"another long burst", time.Second, true, time.Second, time.Second},
	} {
		if yielded := run(part.length, part.busy); yielded < part.least || yielded > part.most {
			t.Errorf("%s: yielded for %s of %s, want %s to %s", part.what, yielded, part.length, part.least, part.most)
		}
	}
}
