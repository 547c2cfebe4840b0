package jobs

import (
	"context"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// Estimate returns what the job of an order is going to use, and how many units of the quota it is charged.
func (o *Order) Estimate() (e job.Estimate, units int) {
	spec := job.Spec{Kind: o.Kind, Input: o.Input}
	return o.estimate, spec.Units()
}

// DryRun returns whether Submit would accept the orders now, several as a batch, and the usage of each limited window of the caller's
// quota without them. It fails with the errors with which Submit or, for a batch, AdmitBatch and ChargeBatch refuse submissions.
// It creates and charges nothing, and does not look for jobs with the same idempotency key or for stored reference images. It costs a request for each of the queue, the
// active jobs and the limited windows.
func (s *Submitter) DryRun(ctx context.Context, caller Caller, orders []*Order, batch bool) ([]quota.Usage, error) {
	specs := make([]*job.Spec, len(orders))
	for i, o := range orders {
		if refusal := s.checkPriced(caller, o); refusal != nil {
			return nil, refusal
		}
		spec, err := s.spec(caller, o, "")
		if err != nil {
			return nil, err
		}
		specs[i] = spec
	}
	if err := s.checkRoom(ctx, caller, specs, batch); err != nil {
		return nil, err
	}
	var usage []quota.Usage
	for _, plan := range s.PlanBatch(caller, "dry-run", s.now(), specs) {
		list, err := s.quota.CheckBulk(ctx, plan)
		if err != nil {
			return nil, err
		}
		usage = append(usage, list...)
	}
	return quota.WithoutBudgets(usage), nil
}

// checkRoom fails if the operator accepts no jobs, the queue is full, or the caller has too many active jobs.
func (s *Submitter) checkRoom(ctx context.Context, caller Caller, specs []*job.Spec, batch bool) error {
	if batch {
		return s.AdmitBatch(ctx, caller, len(specs))
	}
	if refusal := s.checkAccepting(); refusal != nil {
		return refusal
	}
	if err := s.jobs.queue.CheckRoom(ctx, len(specs)); err != nil {
		return err
	}
	limits := s.activeLimits(caller.Key, specs[0])
	if limits == (activeLimits{}) {
		return nil
	}
	// A reservation that is not among those in progress comes after all of them, and does not count for others.
	return s.checkActive(ctx, &reservation{specs[0].Owner, specs[0].ID, activeName(specs[0]), specs[0].APIKey}, limits, false)
}
