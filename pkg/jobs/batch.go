package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// BatchID returns the id of a batch, derived from the idempotency key if there is one.
func (s *Submitter) BatchID(caller Caller, key string) (id string, err error) {
	if key != "" {
		return s.names.batchID(caller, key), nil
	}
	id, _, err = NewID()
	return id, err
}

// BatchFingerprint identifies the request of a batch as received. If it repeats jobs of the batch retriedFrom, that identifies it: when
// the request is sent again, further jobs may have failed.
func BatchFingerprint(orders []*Order, retriedFrom string) string {
	sum := sha256.New()
	sum.Write([]byte("batch " + retriedFrom))
	if retriedFrom != "" {
		orders = nil
	}
	for _, o := range orders {
		sum.Write([]byte("\n" + o.fingerprint))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// BatchSpecs returns the jobs of a batch that is submitted at a time; idOf returns the id of each. It fails with an *UnpricedError.
func (s *Submitter) BatchSpecs(
	ctx context.Context, caller Caller, orders []*Order, batch string, created time.Time, idOf func(i int) string,
) ([]*job.Spec, error) {
	specs := make([]*job.Spec, len(orders))
	for i, o := range orders {
		if refusal := s.checkPriced(caller, o); refusal != nil {
			return nil, refusal
		}
		o.id, o.created = idOf(i), created
		spec, err := s.spec(caller, o, telemetry.RequestID(ctx))
		if err != nil {
			return nil, err
		}
		spec.Batch = batch
		specs[i] = spec
	}
	return specs, nil
}

// AdmitBatch fails if n jobs cannot be accepted at once: with a *NotAcceptingError, a *TooManyActiveError, and queue.ErrFull. It costs
// two requests, and three for each hundred active jobs of the owner. Callers must not submit two batches of an owner at the same time.
func (s *Submitter) AdmitBatch(ctx context.Context, caller Caller, n int) error {
	if refusal := s.checkAccepting(); refusal != nil {
		return refusal
	}
	if err := s.jobs.queue.CheckRoom(ctx, n); err != nil {
		return err
	}
	var limits activeLimits
	if caller.Owner != job.OwnerAnonymous {
		limits.owner = s.cfg.MaxActiveBatch
	}
	if caller.Key != nil {
		limits.key = caller.Key.MaxActive
	}
	if limits == (activeLimits{}) {
		return nil
	}
	snaps, err := s.jobs.Active(ctx, caller.Owner)
	if err != nil {
		return err
	}
	batched, ofKey := n, n
	for _, snap := range snaps {
		if snap.Spec.Batch != "" {
			batched++
		}
		if caller.Key != nil && snap.Spec.APIKey == caller.Key.ID {
			ofKey++
		}
	}
	// exceeded counts the jobs before a further one.
	return limits.exceeded(batched-1, ofKey-1)
}

// PlanBatch returns the charges for the jobs of a batch, one for each limited group of kinds, and sets in each job what is refunded
// for it. It charges nothing.
func (s *Submitter) PlanBatch(caller Caller, batch string, created time.Time, specs []*job.Spec) []*quota.Bulk {
	var plans []*quota.Bulk
	for _, group := range []quota.Group{quota.GroupMedia, quota.GroupText} {
		units, cost := 0, job.Amount(0)
		for _, spec := range specs {
			if quota.GroupOf(spec.Kind) != group {
				continue
			}
			units += spec.Units()
			if spec.Spending != nil {
				cost += spec.Spending.Amount
			}
		}
		if units == 0 {
			continue
		}
		plan := s.quota.Plan(s.chargeKey(caller, group, cost, created), batch, created, units)
		for _, spec := range specs {
			if quota.GroupOf(spec.Kind) == group {
				setShare(spec, plan)
			}
		}
		if plan != nil {
			plans = append(plans, plan)
		}
	}
	return plans
}

// setShare sets the share of a job in the charge of its batch; a nil plan charges nothing.
func setShare(spec *job.Spec, plan *quota.Bulk) {
	if plan != nil && plan.Charge != nil {
		charge := *plan.Charge
		charge.Units = spec.Units()
		spec.Charge = &charge
	}
	switch {
	case spec.Spending == nil:
	case plan == nil || plan.Spending == nil:
		spec.Spending = &job.Spending{}
	default:
		spec.Spending = &job.Spending{Budgets: plan.Spending.Budgets, Amount: spec.Spending.Amount}
	}
}

// ChargeBatch makes the charges of PlanBatch. If it fails, the caller has to reverse those that were made: a *quota.Refusal of one
// does not reverse the others.
func (s *Submitter) ChargeBatch(ctx context.Context, caller Caller, plans []*quota.Bulk) ([]quota.Usage, error) {
	var usage []quota.Usage
	steps := []func(*quota.Bulk) error{
		// A refusal of the second must not leave the first charged for the rest of its minute.
		func(plan *quota.Bulk) error {
			_, err := s.quota.CheckBulk(ctx, plan)
			return err
		},
		func(plan *quota.Bulk) error {
			list, err := s.quota.ChargeBulk(ctx, plan)
			usage = append(usage, list...)
			return err
		},
	}
	for _, step := range steps {
		for _, plan := range plans {
			err := step(plan)
			if refusal, ok := errors.AsType[*quota.Refusal](err); ok {
				s.metrics.QuotaRefusals.WithLabelValues(refusal.Policy(), string(caller.Lane)).Inc()
			}
			if err != nil {
				return nil, err
			}
		}
	}
	return quota.WithoutBudgets(usage), nil
}

// EnqueueOnce stores a job durably unless it was enqueued before, even if it has ended or was deleted since. It fails as Enqueue does
// and costs two requests and one acknowledged publish.
func (s *Service) EnqueueOnce(ctx context.Context, spec *job.Spec) error {
	queued, err := s.queued(ctx, spec)
	if err != nil || queued {
		return err
	}
	record, deleted, err := s.store.Ended(ctx, spec.Owner, spec.ID)
	if err != nil || record != nil || deleted {
		return err
	}
	_, _, err = s.enqueue(ctx, spec, false, false)
	return err
}

// ReadAll returns those of any number of jobs of an owner that exist, by id. It costs one request, and up to three for each hundred
// jobs; if some are missing, another one, and a few more for each of these that a replica did not have. It ends no jobs whose deadline
// has passed.
func (s *Service) ReadAll(ctx context.Context, owner string, ids []string) (map[string]*job.Snapshot, error) {
	// The queue is read first: a job that is settled in between is then in at least one of the two.
	queued, entries, err := s.queue.FindAll(ctx, owner, ids)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*job.Snapshot, len(ids))
	var missing []string
	for part := range slices.Chunk(ids, readAtOnce) {
		records, err := s.store.Records(ctx, owner, part)
		if err != nil {
			return nil, err
		}
		var open []string
		for _, id := range part {
			switch r := records[id]; {
			case r != nil:
				found[id] = &job.Snapshot{Spec: r.Spec, Record: r}
			case entries[id] != nil:
				open = append(open, id)
			default:
				missing = append(missing, id)
			}
		}
		progresses, err := s.store.Progresses(ctx, owner, open)
		if err != nil {
			return nil, err
		}
		for _, id := range open {
			found[id] = &job.Snapshot{Spec: entries[id].Spec, Progress: progresses[id], Sequence: entries[id].Sequence}
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	return found, s.readMissing(ctx, owner, missing, queued, found)
}

// readMissing adds those of the jobs to found that are queued, or have ended according to the leader.
func (s *Service) readMissing(ctx context.Context, owner string, ids []string, queued map[string]bool, found map[string]*job.Snapshot) error {
	stored, err := s.store.OwnerIDs(ctx, owner)
	if err != nil {
		return err
	}
	for _, id := range stored {
		queued[id] = true
	}
	for _, id := range ids {
		if !queued[id] {
			continue
		}
		snap, err := s.readLeader(ctx, owner, id)
		switch {
		case err == nil:
			found[id] = snap
		case !errors.Is(err, ErrNotFound) && !errors.Is(err, job.ErrNewer):
			return err
		}
	}
	return nil
}
