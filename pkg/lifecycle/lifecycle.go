// Package lifecycle stops the components of a process in the reverse order of their start, within one time limit that is
// shared among them.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Step stops one component of a process.
type Step struct {
	// Name completes the error "stop …".
	Name string
	// Stop stops the component. It should return when its context ends; if it does not, it is left running and the next step
	// begins.
	Stop func(context.Context) error
	// Need is time that is reserved for the step, whatever the earlier steps use.
	Need time.Duration
	// Weight is the step's relative share of the unreserved time; 0 counts as 1.
	Weight int
	// Limit bounds the total time of the step; 0 means no limit.
	Limit time.Duration
}

func (s Step) weight() time.Duration { return time.Duration(max(s.Weight, 1)) }

// Stack is a stack of shutdown steps. The zero value is empty and ready to use. It is not safe for concurrent use.
type Stack struct{ steps []Step }

// Push adds a step, which runs before those added earlier.
func (s *Stack) Push(step Step) { s.steps = append(s.steps, step) }

// minSlice is the minimum time of a step, so that it can close its resources even when all time is used up.
const minSlice = 100 * time.Millisecond

// Stop runs and removes all steps, the latest first, within limit. A stuck step uses only its own share; the unused time of a
// step is shared by those after it. Stop returns the joined errors of all steps.
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

// slice returns the next step's part of the time left: its need, and its share of the time beyond the needs of all steps.
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
		// Not all needs can be met. A tenth is kept for the steps without a need.
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

// run runs a step. Its context ends a little before the step is abandoned, so that it can return by itself.
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
