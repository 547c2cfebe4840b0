package jobs

import (
	"context"
	"log/slog"
	"math"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// Estimate returns what the job of an order is going to use, and how many units of the quota it is charged.
func (o *Order) Estimate() (e job.Estimate, units int) {
	spec := job.Spec{Kind: o.Kind, Input: o.Input}
	return o.estimate, spec.Units()
}

// Trial is the outcome of DryRun.
type Trial struct {
	// Usage is the usage of each limited window of the caller's quota, without the orders.
	Usage []quota.Usage
	// Cached reports that the job would be a copy of an identical one, which is not charged.
	Cached bool
}

// DryRun returns whether Submit would accept the orders now, several as a batch. It fails with the errors with which Submit or, for a
// batch, AdmitBatch and ChargeBatch refuse submissions. It creates and charges nothing, and does not look for jobs with the same
// idempotency key or for stored reference images. It costs a request for each of the queue, the active jobs and the limited windows, and
// up to two for a job that may be a copy.
func (s *Submitter) DryRun(ctx context.Context, caller Caller, orders []*Order, batch bool) (Trial, error) {
	specs := make([]*job.Spec, len(orders))
	for i, o := range orders {
		spec, err := s.spec(caller, o, "")
		if err != nil {
			return Trial{}, err
		}
		specs[i] = spec
	}
	if !batch {
		if refusal := s.checkAccepting(); refusal != nil {
			return Trial{}, refusal
		}
		if s.wouldBeCached(ctx, specs[0]) {
			return Trial{Cached: true}, nil
		}
	}
	for _, o := range orders {
		if refusal := s.checkPriced(caller, o); refusal != nil {
			return Trial{}, refusal
		}
	}
	if err := s.checkRoom(ctx, caller, specs, batch); err != nil {
		return Trial{}, err
	}
	var usage []quota.Usage
	for _, plan := range s.PlanBatch(caller, "dry-run", s.now(), specs) {
		list, err := s.quota.CheckBulk(ctx, plan)
		if err != nil {
			return Trial{}, err
		}
		usage = append(usage, list...)
	}
	return Trial{Usage: quota.WithoutBudgets(usage)}, nil
}

// wouldBeCached reports whether there is a result that a job could have a copy of.
func (s *Submitter) wouldBeCached(ctx context.Context, spec *job.Spec) bool {
	if spec.CacheKey == "" {
		return false
	}
	of, err := s.jobs.cached(ctx, spec)
	if err != nil {
		s.log.DebugContext(ctx, "cannot look for the result of an identical job", slog.Any("error", err))
	}
	return of != nil
}

// checkRoom fails if the queue is full, or the caller has too many active jobs.
func (s *Submitter) checkRoom(ctx context.Context, caller Caller, specs []*job.Spec, batch bool) error {
	if batch {
		return s.AdmitBatch(ctx, caller, len(specs))
	}
	if err := s.jobs.queue.CheckRoom(ctx, len(specs)); err != nil {
		return err
	}
	limits := s.activeLimits(caller.Key, specs[0])
	if limits == (activeLimits{}) {
		return nil
	}
	// A reservation that is not among those in progress comes after all of them, and does not count for others.
	r := newReservation(specs[0])
	r.number = math.MaxUint64
	return s.checkActive(ctx, r, limits, false)
}
