package batch

import (
	"context"
	"time"
)

// Step is step.
type Step = step

// Steps are the steps of an acceptance, in order.
func Steps() []Step {
	return []Step{stepJobs, stepRecord, stepCharge, stepCommit, stepPublish, stepAccepted}
}

// StepPublish is the only step that comes for each job.
const StepPublish = stepPublish

// StepCanceled comes before each time that the jobs of a canceled batch are canceled.
const StepCanceled = stepCanceled

// SetAfter sets a function that is called after each step; its error stops the work there, as a crash would.
func (s *Service) SetAfter(f func(Step) error) { s.after = f }

// SetNow replaces the clock.
func (s *Service) SetNow(now func() time.Time) { s.now = now }

// Sweep calls sweep without a grace period.
func (s *Service) Sweep(ctx context.Context) error { return s.sweep(ctx, 0) }

// MarkCanceled calls markCanceled.
func (s *Service) MarkCanceled(ctx context.Context, owners []string, id string) (*Batch, error) {
	return s.markCanceled(ctx, owners, id)
}
