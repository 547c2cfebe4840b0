package lifecycle_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// step returns a step that records its name and lasts for a duration or until its context ends.
func step(order *[]string, name string, takes time.Duration) lifecycle.Step {
	return lifecycle.Step{Name: name, Stop: func(ctx context.Context) error {
		*order = append(*order, name)
		select {
		case <-time.After(takes):
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}}
}

func TestStepsRunInReverseAndOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		var s lifecycle.Stack
		for _, name := range []string{"first", "second", "third"} {
			s.Push(step(&order, name, time.Second))
		}
		began := time.Now()
		if err := s.Stop(t.Context(), time.Minute); err != nil {
			t.Error(err)
		}
		if got := strings.Join(order, " "); got != "third second first" || time.Since(began) != 3*time.Second {
			t.Errorf("%s in %v", got, time.Since(began))
		}
		if err := s.Stop(t.Context(), time.Minute); err != nil || len(order) != 3 {
			t.Errorf("again: %v, %v", err, order)
		}
	})
}

// TestStuckStepLeavesTimeToTheOthers blocks each step in turn, with and without respect for its context. Stop returns in time,
// and every other step gets a context that has not ended.
func TestStuckStepLeavesTimeToTheOthers(t *testing.T) {
	t.Parallel()
	for _, honors := range []bool{true, false} {
		for stuck := range 4 {
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				defer close(release)
				var s lifecycle.Stack
				done := 0
				for n := range 4 {
					s.Push(lifecycle.Step{Name: string(rune('a' + n)), Stop: func(ctx context.Context) error {
						if n == stuck {
							if honors {
								<-ctx.Done()
								return context.Cause(ctx)
							}
							<-release
							return nil
						}
						if ctx.Err() != nil {
							t.Errorf("step %d begins with an ended context", n)
						}
						if by, ok := ctx.Deadline(); !ok || time.Until(by) < time.Second {
							t.Errorf("step %d has %v", n, time.Until(by))
						}
						done++
						return nil
					}})
				}
				began := time.Now()
				err := s.Stop(t.Context(), 30*time.Second)
				if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "stop "+string(rune('a'+stuck))+": ") {
					t.Errorf("got %v", err)
				}
				if took := time.Since(began); took > 30*time.Second || done != 3 {
					t.Errorf("%d steps in %v", done, took)
				}
			})
		}
	}
}

// TestNeedIsKept makes every step before the one with a need use its whole share.
func TestNeedIsKept(t *testing.T) {
	t.Parallel()
	for need, limit := range map[time.Duration]time.Duration{
		20 * time.Second: 30 * time.Second, 29900 * time.Millisecond: 30 * time.Second, time.Second: 2 * time.Second, 0: time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			var s lifecycle.Stack
			var had time.Duration
			hang := func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
			s.Push(lifecycle.Step{Name: "last", Stop: hang, Weight: 3})
			s.Push(lifecycle.Step{Name: "needy", Need: need, Stop: func(ctx context.Context) error {
				by, _ := ctx.Deadline()
				had = time.Until(by)
				return hang(ctx)
			}})
			s.Push(lifecycle.Step{Name: "stuck", Stop: hang, Weight: 8})
			began := time.Now()
			_ = s.Stop(t.Context(), limit)
			if had <= need || time.Since(began) > limit {
				t.Errorf("of %v it had %v, needs %v; all took %v", limit, had, need, time.Since(began))
			}
		})
	}
}

// TestNeedBeyondTheLimit checks that every step gets some time even if a need exceeds the limit.
func TestNeedBeyondTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s lifecycle.Stack
		last := time.Duration(0)
		s.Push(lifecycle.Step{Name: "last", Stop: func(ctx context.Context) error {
			by, _ := ctx.Deadline()
			last = time.Until(by)
			return nil
		}})
		s.Push(lifecycle.Step{Name: "needy", Need: time.Hour, Stop: func(ctx context.Context) error { <-ctx.Done(); return nil }})
		if err := s.Stop(t.Context(), 10*time.Second); err != nil || last < 100*time.Millisecond {
			t.Errorf("%v, left %v", err, last)
		}
	})
}

// TestLimitOfAStep blocks a step with a limit although there is plenty of time.
func TestLimitOfAStep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s lifecycle.Stack
		s.Push(lifecycle.Step{Name: "stuck", Limit: 2 * time.Second, Stop: func(ctx context.Context) error { <-ctx.Done(); return nil }})
		began := time.Now()
		if err := s.Stop(t.Context(), 30*time.Second); err != nil || time.Since(began) > 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
	})
}

// TestEndedContext checks that every step runs even with an ended context, so that it can close its resources.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		var s lifecycle.Stack
		ran := 0
		for range 3 {
			s.Push(lifecycle.Step{Name: "x", Stop: func(ctx context.Context) error { ran++; return ctx.Err() }})
		}
		if err := s.Stop(ctx, time.Minute); !errors.Is(err, context.Canceled) || ran != 3 {
			t.Errorf("%v, %d ran", err, ran)
		}
	})
}
