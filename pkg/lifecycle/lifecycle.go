// Package lifecycle stops the parts of a process in the reverse order of their start and within one time limit, of which
// every part has a share of its own.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Step stops one part of a process.
type Step struct {
	// Name completes the error "stop …".
	Name string
	// Stop ends the part. When its context ends it should give up and return. One that does not is left running, and the
	// steps after it begin.
	Stop func(context.Context) error
	// Need is how long the step may well take. It is set aside for the step, whatever the steps before it do.
	Need time.Duration
	// Weight is the step's share, against those of the others, of the time that nobody needs; 0 counts as 1.
	Weight int
	// Limit is the most that the step gets, whatever there is to share; 0 sets none.
	Limit time.Duration
}

func (s Step) weight() time.Duration { return time.Duration(max(s.Weight, 1)) }

// Stack is the steps of a process that is running. The zero value is empty and ready to use. It is not safe for
// concurrent use.
type Stack struct{ steps []Step }

// Push adds a step, which will run before those that were added earlier.
func (s *Stack) Push(step Step) { s.steps = append(s.steps, step) }

// minSlice is what a step is waited for once all time is used up, so that it can at least close what it holds.
const minSlice = 100 * time.Millisecond

// Stop runs every step, the latest first, and removes it. It takes no longer than limit: a step that is stuck uses up its
// own share only. What a step leaves over is shared by those after it. It returns the errors of all steps.
func (s *Stack) Stop(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	end, _ := ctx.Deadline()
	var errs []error
	for len(s.steps) > 0 {
		need, share := s.slice(time.Until(end))
		last := len(s.steps) - 1
		step := s.steps[last]
		s.steps = s.steps[:last]
		if err := step.run(ctx, need, share); err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", step.Name, err))
		}
	}
	return errors.Join(errs...)
}

// slice returns what the next step gets of the time that is left: its need, and its share of what remains beyond the
// needs of all.
func (s *Stack) slice(left time.Duration) (need, share time.Duration) {
	var needs, weights time.Duration
	for _, step := range s.steps {
		needs += step.Need
		weights += step.weight()
	}
	left = max(left, 0)
	next := s.steps[len(s.steps)-1]
	need = next.Need
	if needs >= left && needs > 0 {
		// Not all needs can be met, and the steps without one shall have something too.
		have := left / 10 * 9
		need = time.Duration(float64(need) * (float64(have) / float64(needs)))
		needs = have
	}
	share = (left - needs) * next.weight() / weights
	if next.Limit > 0 {
		share = min(share, max(next.Limit-need, 0))
	}
	return need, share
}

// run runs a step. Its context ends a little before it is given up, so that it can return by itself.
func (s Step) run(ctx context.Context, need, share time.Duration) error {
	bound, cancel := context.WithTimeout(ctx, need+share*4/5)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Stop(bound) }()
	timer := time.NewTimer(max(need+share, minSlice))
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("given up: %w", context.DeadlineExceeded)
	}
}
