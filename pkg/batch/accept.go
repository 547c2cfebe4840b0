package batch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chunk"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

const (
	// atOnce is how many jobs of a batch are put into the queue, or canceled, concurrently.
	atOnce = 32
	// chargingPause is the pause while another process is about to accept the same batch, and chargingWait is for how long it may
	// take before it counts as dead. It is not, it finds out when it writes the record.
	chargingPause = 50 * time.Millisecond
	chargingWait  = 5 * time.Second
)

// Request is a request to accept a batch.
type Request struct {
	Caller jobs.Caller
	// Orders are the jobs, at least one and at most MaxJobs.
	Orders []*jobs.Order
	// Key is the idempotency key, if any.
	Key string
	// Check, unless nil, returns why a request cannot be accepted that repeats no earlier one.
	Check func() error
	// RetriedFrom is the batch whose jobs are repeated, if any.
	RetriedFrom string
}

// Accepted is the outcome of Accept.
type Accepted struct {
	Batch *Batch
	// Replayed reports whether the batch comes from an earlier request under the same key.
	Replayed bool
	// Usage is the usage of each limited window of the quota; nil for a replayed batch, which is not charged.
	Usage []quota.Usage
}

// Accept accepts a batch. When it returns without an error, the batch is durable, and its jobs are in the queue or will be put there.
//
// It fails with the errors of r.Check, jobs.Submitter.AdmitBatch and CopyBatchReferences, a *quota.Refusal,
// jobs.ErrKeyReused, kv.ErrFull, and quota.ErrUnavailable; nothing is accepted then, and nothing stays charged. After any other error,
// the batch may have been accepted. It costs an acknowledged publish for each job and three for the batch, besides the costs of
// AdmitBatch, CopyBatchReferences and ChargeBatch.
func (s *Service) Accept(ctx context.Context, submitter *jobs.Submitter, r Request) (*Accepted, error) {
	id, err := submitter.BatchID(r.Caller, r.Key)
	if err != nil {
		return nil, err
	}
	name := r.Caller.Owner
	if name == job.OwnerAnonymous {
		name += " " + id // They have no limit in common.
	}
	unlock, err := s.locks.lock(ctx, name)
	if err != nil {
		return nil, err
	}
	defer unlock()
	fingerprint := jobs.BatchFingerprint(r.Orders, r.RetriedFrom)
	for {
		if r.Key != "" {
			replayed, err := s.replay(ctx, r.Caller.Owner, id, fingerprint)
			if replayed != nil || err != nil {
				return replayed, err
			}
		}
		accepted, err := s.accept(ctx, submitter, r, id, fingerprint)
		if errors.Is(err, kv.ErrConflict) && r.Key != "" && ctx.Err() == nil {
			continue // Another process accepts the same batch.
		}
		return accepted, err
	}
}

// replay returns the batch of an earlier request with the same key, or nil if there is none. It first completes or removes what a
// crash has left.
func (s *Service) replay(ctx context.Context, owner, id, fingerprint string) (*Accepted, error) {
	for {
		e, err := s.records.Get(ctx, broker.BatchSubject(owner, id))
		switch {
		case errors.Is(err, kv.ErrNotFound):
			return nil, nil
		case err != nil:
			return nil, err
		case e.Value.accepted() && e.Value.Fingerprint != fingerprint:
			return nil, jobs.ErrKeyReused
		case e.Value.accepted():
			record, err := s.complete(ctx, owner, e)
			if err != nil {
				s.log.WarnContext(ctx, unfinished, slog.String("batch", id), slog.Any("error", err))
			}
			return &Accepted{Batch: &Batch{Owner: owner, Record: record}, Replayed: true}, nil
		case e.Value.State == StateAbandoned, s.now().Sub(e.Value.CreatedAt.Time) >= chargingWait:
			if err := s.abandon(ctx, owner, e); err != nil && !errors.Is(err, kv.ErrConflict) {
				return nil, err
			}
			continue
		}
		if !lifecycle.Sleep(ctx, chargingPause) {
			return nil, fmt.Errorf("wait for the first request under the key: %w", context.Cause(ctx))
		}
	}
}

// accept accepts a new batch. It fails with kv.ErrConflict when another process has begun to accept it.
func (s *Service) accept(ctx context.Context, submitter *jobs.Submitter, r Request, id, fingerprint string) (*Accepted, error) {
	owner := r.Caller.Owner
	if r.Check != nil {
		if err := r.Check(); err != nil {
			return nil, err
		}
	}
	if err := submitter.AdmitBatch(ctx, r.Caller, len(r.Orders)); err != nil {
		return nil, err
	}
	created := s.now().UTC().Truncate(time.Millisecond)
	e := kv.Entry[Record]{Key: broker.BatchSubject(owner, id), Value: Record{
		V: job.Version, ID: id, State: StateCharging, CreatedAt: job.At(created), RetriedFrom: r.RetriedFrom, Fingerprint: fingerprint,
		Seed: rand.Text(), Jobs: len(r.Orders),
	}}
	specs, err := submitter.BatchSpecs(ctx, r.Caller, r.Orders, id, created, func(i int) string { return jobID(e.Value.Seed, created, i) })
	if err != nil {
		return nil, err
	}
	// Copies for a batch that is not accepted expire with the results.
	if err := submitter.CopyBatchReferences(ctx, r.Orders, specs); err != nil {
		return nil, err
	}
	e.Value.Charges = submitter.PlanBatch(r.Caller, id, created, specs)
	if err := s.putJobs(ctx, owner, &e.Value, specs); err != nil {
		return nil, err
	}
	if err := s.passed(stepJobs); err != nil {
		return nil, err
	}
	if len(e.Value.Charges) == 0 {
		e.Value.State = StateAccepting
	}
	if e.Revision, err = s.records.Create(ctx, e.Key, e.Value); err != nil {
		if errors.Is(err, kv.ErrConflict) || errors.Is(err, kv.ErrFull) {
			err = errors.Join(err, s.removeJobs(ctx, owner, id, e.Value.attempt()))
		}
		return nil, err
	}
	if err := s.passed(stepRecord); err != nil {
		return nil, err
	}
	usage, err := s.charge(ctx, submitter, r.Caller, &e)
	if err != nil {
		return nil, err
	}
	if err := s.passed(stepCommit); err != nil {
		return nil, err
	}
	record, err := s.publish(ctx, owner, e, specs, func(ctx context.Context, spec *job.Spec) error {
		_, _, err := s.jobs.Enqueue(ctx, spec, false)
		return err
	})
	if err != nil {
		// The batch is accepted; the sweeper continues.
		s.log.WarnContext(ctx, unfinished, slog.String("batch", id), slog.Any("error", err))
	}
	return &Accepted{Batch: &Batch{Owner: owner, Record: record}, Usage: usage}, nil
}

// charge charges a new batch, which is accepted then. If the quota refuses it, nothing is left of it.
func (s *Service) charge(ctx context.Context, submitter *jobs.Submitter, caller jobs.Caller, e *kv.Entry[Record]) ([]quota.Usage, error) {
	if e.Value.State != StateCharging {
		return nil, nil
	}
	usage, err := submitter.ChargeBatch(ctx, caller, e.Value.Charges)
	if err != nil {
		return nil, errors.Join(err, s.abandon(ctx, caller.Owner, *e))
	}
	if err := s.passed(stepCharge); err != nil {
		return nil, err
	}
	e.Value.State = StateAccepting
	revision, err := s.records.Update(ctx, e.Key, e.Value, e.Revision)
	if errors.Is(err, kv.ErrConflict) {
		// Another process took this one for dead and has removed the record, perhaps before the charge was made.
		return nil, errors.Join(err, s.reverse(ctx, &e.Value))
	}
	e.Revision = revision
	return usage, err
}

// unfinished is logged when an accepted batch is left to the sweeper.
const unfinished = "not all jobs of an accepted batch are in the queue yet"

// publish puts the jobs of an accepted batch into the queue, several concurrently, and returns its record.
func (s *Service) publish(
	ctx context.Context, owner string, e kv.Entry[Record], specs []*job.Spec, enqueue func(context.Context, *job.Spec) error,
) (Record, error) {
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, spec := range specs {
		group.Go(func() error {
			if err := groupCtx.Err(); err != nil {
				return err
			}
			if err := enqueue(groupCtx, spec); err != nil {
				return err
			}
			return s.passed(stepPublish)
		})
	}
	if err := group.Wait(); err != nil {
		return e.Value, err
	}
	// A cancel may change the record at the same time.
	e, err := s.records.Change(ctx, e.Key, func(e *kv.Entry[Record]) error {
		if !e.Exists || e.Value.State == StateAccepted {
			return kv.ErrUnchanged
		}
		e.Value.State = StateAccepted
		return nil
	})
	if err == nil {
		err = s.passed(stepAccepted)
	}
	if err != nil || !e.Exists {
		return e.Value, err
	}
	return e.Value, s.removeJobs(ctx, owner, e.Value.ID, e.Value.attempt())
}

// complete puts those jobs of an accepted batch into the queue that are not there yet, and returns its record.
func (s *Service) complete(ctx context.Context, owner string, e kv.Entry[Record]) (Record, error) {
	if e.Value.State == StateAccepted {
		return e.Value, nil
	}
	specs, err := s.readJobs(ctx, owner, &e.Value)
	if errors.Is(err, chunk.ErrMissing) {
		// Another process has just completed it.
		if latest, readErr := s.records.Get(ctx, e.Key); readErr == nil && latest.Value.State == StateAccepted {
			return latest.Value, nil
		}
	}
	if err != nil {
		return e.Value, err
	}
	return s.publish(ctx, owner, e, specs, s.jobs.EnqueueOnce)
}

// abandonTimeout bounds the removal of a batch that was not accepted.
const abandonTimeout = 15 * time.Second

// abandon removes a batch that was not accepted, and reverses its charge. It fails with kv.ErrConflict when another process changes
// the record.
func (s *Service) abandon(ctx context.Context, owner string, e kv.Entry[Record]) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	if e.Value.State != StateAbandoned {
		// From here on no process can accept it.
		e.Value.State = StateAbandoned
		if e.Revision, err = s.records.Update(ctx, e.Key, e.Value, e.Revision); err != nil {
			return err
		}
	}
	if err := s.reverse(ctx, &e.Value); err != nil {
		return err
	}
	if err := s.records.Delete(ctx, e.Key, e.Revision); err != nil {
		return err
	}
	return s.removeJobs(ctx, owner, e.Value.ID, e.Value.attempt())
}

// reverse reverses the charge of a batch that is not accepted.
func (s *Service) reverse(ctx context.Context, r *Record) error {
	for _, charge := range r.Charges {
		if err := quota.ReverseBulk(ctx, s.broker, charge); err != nil {
			return err
		}
	}
	return nil
}
