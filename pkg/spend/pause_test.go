package spend

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestPause waits for more jobs to be counted in one write: until the pace allows the next write, or enough jobs wait.
func TestPause(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before, during int
		want           time.Duration
	}{
		"few":               {1, 0, pace},
		"more":              {1, enough - 2, pace},
		"enough meanwhile":  {1, enough - 1, pace / 2},
		"more than enough":  {1, enough + 9, pace / 2},
		"enough before":     {enough, 0, 0},
		"far more":          {enough + 9, 9, 0},
		"just not enough":   {enough - 1, 0, pace},
		"one makes it full": {enough - 1, 1, pace / 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				// A write is in progress.
				c := &Counters{now: time.Now, busy: true}
				arrive := func(n int) {
					for range n {
						go func() { _ = c.together(ctx, &entry{done: make(chan struct{})}) }()
					}
					synctest.Wait()
				}
				arrive(tc.before)
				began := time.Now()
				go func() {
					time.Sleep(pace / 2)
					arrive(tc.during)
				}()
				c.pause(pace)
				if took := time.Since(began); took != tc.want {
					t.Errorf("paused for %s, want %s", took, tc.want)
				}
				// The next pause is not cut short by jobs that waited before.
				c.take()
				began = time.Now()
				c.pause(pace)
				if took := time.Since(began); took != pace {
					t.Errorf("paused for %s after that, want %s", took, pace)
				}
			})
		})
	}
}
