package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// SubmitterDeps holds the dependencies of a Submitter. Fields without a remark are required.
type SubmitterDeps struct {
	Jobs  *Service
	Quota *quota.Quota
	// Catalogue is the built-in list of models, against which the default models are checked.
	Catalogue *job.Catalogue
	// Secret is the installation's secret, from which ids and names of counters are derived.
	Secret []byte
	// Control has the switch with which the operator stops submissions. If nil, they are never stopped.
	Control *control.Controller
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	// Now is time.Now when nil.
	Now func() time.Time
}

// Submitter accepts jobs: it completes requests, recognizes repeated ones, limits the active jobs of an owner, charges the
// quota and makes jobs durable.
type Submitter struct {
	cfg      Config
	jobs     *Service
	quota    *quota.Quota
	names    names
	defaults job.Defaults
	control  *control.Controller
	inflight inflight
	keyLocks keyLocks
	hits     hitLimit
	metrics  *telemetry.Metrics
	log      *slog.Logger
	now      func() time.Time
}

// NewSubmitter returns a submitter. It fails with a *env.Fault when a setting names a model or voice that is not in the
// catalogue, and logs a warning when the default speech model is retired.
func NewSubmitter(cfg Config, deps SubmitterDeps) (*Submitter, error) {
	s := &Submitter{
		cfg: cfg, jobs: deps.Jobs, quota: deps.Quota, names: newNames(deps.Secret), control: deps.Control,
		metrics: deps.Metrics, log: deps.Log, now: deps.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	s.defaults, err = cfg.defaults(deps.Catalogue, deps.Log)
	return s, err
}

// Defaults returns the defaults that complete requests.
func (s *Submitter) Defaults() job.Defaults { return s.defaults }

// Submission is the outcome of Submit.
type Submission struct {
	Job *job.Snapshot
	// Replayed reports whether the job comes from an earlier submission under the same key. It is returned in its current state.
	Replayed bool
	// Usage is the usage of each limited window of the caller's quota, including this job; nil when nothing is limited, and for
	// a replayed job, which is not charged.
	Usage []quota.Usage
}

// Submit creates the job of an order. When it returns without an error, the job is durable.
//
// It fails with a *NotAcceptingError, an *UnpricedError, a *TooManyActiveError, a *quota.Refusal, ErrKeyReused when the key was used for another
// request, queue.ErrFull and queue.ErrNoRoom, and with queue.ErrUnavailable and quota.ErrUnavailable when NATS does
// not answer. It fails with an *InvalidError when a stored reference image cannot be used. After an error for which NotSubmitted is
// false, the job may exist.
//
// Refused and repeated submissions are not charged, and a repeated one returns its job even if the quota is exhausted. Besides
// the publish, Submit costs at most one request for the limit of active jobs and one for each limited window of the quota, at the same
// time; Enqueue and existing say what a key costs, CopyReferences what stored reference images do, and fromCache what a request costs
// that may have the result of an identical one. Submissions of one caller do not wait for each other, except while its active jobs are
// counted, while its quota is almost used up, and those under one key.
func (s *Submitter) Submit(ctx context.Context, caller Caller, order *Order) (*Submission, error) {
	s.jobs.burst.begin()
	defer s.jobs.burst.end()
	spec, err := s.spec(caller, order, telemetry.RequestID(ctx))
	if err != nil {
		return nil, err
	}
	keyed := order.Key != ""
	if refusal := s.checkAccepting(); refusal != nil {
		return s.replayOr(ctx, spec, keyed, refusal)
	}
	if submission, err := s.fromCache(ctx, caller, spec, order); submission != nil || err != nil {
		return submission, err
	}
	if refusal := s.checkPriced(caller, order); refusal != nil {
		return s.replayOr(ctx, spec, keyed, refusal)
	}
	callerCtx, cancel := caller.context(ctx)
	defer cancel()
	// The limit of active jobs is checked first, so that a refusal needs no refund of the quota.
	release, err := s.reserve(callerCtx, caller.Key, spec, keyed)
	if err != nil {
		return nil, err
	}
	defer release()
	cost := job.Amount(0)
	if spec.Spending != nil {
		cost = spec.Spending.Amount
		spec.Spending = &job.Spending{} // It is charged to no budget yet.
	}
	key := s.chargeKey(caller, quota.GroupOf(spec.Kind), cost, spec.CreatedAt.Time)
	if !s.quota.Limited(key) {
		snap, replayed, err := s.enqueueUncharged(callerCtx, spec, order, keyed)
		if err != nil {
			return nil, err
		}
		return &Submission{Job: snap, Replayed: replayed}, nil
	}
	tombstone := false
	if keyed {
		unlock, err := s.keyLocks.lock(callerCtx, spec.ID)
		if err != nil {
			return nil, err
		}
		defer unlock()
		// Charging and refunding a repeated submission could get another one refused.
		snap, deleted, err := s.jobs.existing(callerCtx, spec)
		switch {
		case err != nil:
			return nil, err
		case snap != nil:
			return &Submission{Job: snap, Replayed: true}, nil
		}
		tombstone = deleted
	}
	if len(order.missing) > 0 {
		return nil, &InvalidError{Faults: order.missing}
	}
	joined, usage, unclaim := s.join(callerCtx, key, spec)
	if joined {
		if err := s.copyReferences(ctx, spec, order.references); err != nil {
			return nil, err
		}
		snap, replayed, err := s.enqueue(ctx, spec, keyed, tombstone)
		if err != nil {
			return nil, err
		}
		return &Submission{Job: snap, Replayed: replayed, Usage: usage}, nil
	}
	end, err := s.quota.Reserve(callerCtx, key, spec.Units())
	if err != nil {
		unclaim(ctx)
		return nil, err
	}
	defer end()
	// From here on a disconnect of the caller is ignored: timed well, it would yield both the job and a refund.
	submission, err := s.submitWithQuota(ctx, key, spec, order, tombstone)
	if err != nil && NotSubmitted(err) {
		unclaim(ctx)
	}
	return submission, err
}

// NotAcceptingError refuses a submission because the operator accepts no jobs.
type NotAcceptingError struct {
	// Reason is the reason that the operator gave, if any.
	Reason string
	// Until is the announced end; zero if there is none.
	Until job.Time
}

// Error returns the reason.
func (e *NotAcceptingError) Error() string {
	return fmt.Sprintf("the operator accepts no jobs (reason: %q)", e.Reason)
}

// checkAccepting returns a *NotAcceptingError while the operator accepts no jobs.
func (s *Submitter) checkAccepting() error {
	if s.control == nil {
		return nil
	}
	sw, accepting := s.control.View().Accepting(s.now())
	if accepting {
		return nil
	}
	return &NotAcceptingError{Reason: sw.Reason, Until: sw.Until}
}

// enqueue is Service.enqueue for a spec that was made for this submission: unless it is keyed, its id is new.
func (s *Submitter) enqueue(ctx context.Context, spec *job.Spec, keyed, tombstone bool) (snap *job.Snapshot, replayed bool, err error) {
	if !keyed && s.jobs.broker.Alone() {
		s.jobs.store.AddNew(spec.ID)
	}
	return s.jobs.enqueue(ctx, spec, keyed, tombstone)
}

// submitWithQuota charges a job and enqueues it. The charge is refunded if no job was created.
func (s *Submitter) submitWithQuota(ctx context.Context, key quota.Key, spec *job.Spec, order *Order, tombstone bool) (*Submission, error) {
	keyed := order.Key != ""
	reserved, err := s.quota.Charge(ctx, key, spec.ID, spec.Units())
	if refusal, ok := errors.AsType[*quota.Refusal](err); ok {
		// Another process may have created this very job meanwhile, with the rest of the quota.
		submission, err := s.replayOr(ctx, spec, keyed, refusal)
		if errors.Is(err, refusal) {
			s.metrics.QuotaRefusals.WithLabelValues(refusal.Policy(), string(key.Lane)).Inc()
		}
		return submission, err
	}
	if err != nil {
		return nil, err
	}
	spec.Charge, spec.Spending = reserved.Charge, reserved.Spending(spec.Spending)
	// The counters and the queue are synced at the same time.
	counted := make(chan error, 1)
	go func() { counted <- reserved.Durable(ctx) }()
	var snap *job.Snapshot
	replayed, enqueued := false, false
	if err = s.copyReferences(ctx, spec, order.references); err == nil {
		enqueued = true
		snap, replayed, err = s.enqueue(ctx, spec, keyed, tombstone)
	}
	if syncErr := <-counted; syncErr != nil {
		s.log.WarnContext(ctx, "a charge of the quota may not be on disk", slog.Any("error", syncErr))
	}
	var refundErr error
	switch {
	case err != nil && enqueued && !NotSubmitted(err):
		refundErr = reserved.ReleaseIfAbsent(ctx, spec)
	case err != nil || replayed:
		refundErr = reserved.Release(ctx)
	}
	if refundErr != nil {
		// The outcome of the submission is returned nevertheless; the caller has lost a little of its quota.
		s.log.WarnContext(ctx, "cannot refund the quota", slog.Any("error", refundErr))
	}
	if err != nil {
		return nil, err
	}
	if replayed {
		return &Submission{Job: snap, Replayed: true}, nil
	}
	return &Submission{Job: snap, Usage: quota.WithoutBudgets(reserved.Usage)}, nil
}

// replayOr returns the job of an earlier submission under the same key, or fails with refusal when there is none.
func (s *Submitter) replayOr(ctx context.Context, spec *job.Spec, keyed bool, refusal error) (*Submission, error) {
	if !keyed {
		return nil, refusal
	}
	snap, _, err := s.jobs.existing(ctx, spec)
	switch {
	case err != nil:
		return nil, err
	case snap == nil:
		return nil, refusal
	}
	return &Submission{Job: snap, Replayed: true}, nil
}

// NotSubmitted reports whether an error of Submit means that no job was created. After any other error that is unknown.
func NotSubmitted(err error) bool {
	if _, ok := errors.AsType[*NotAcceptingError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*TooManyActiveError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*quota.Refusal](err); ok {
		return true
	}
	if _, ok := errors.AsType[*InvalidError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*UnpricedError](err); ok {
		return true
	}
	return errors.Is(err, queue.ErrFull) || errors.Is(err, queue.ErrNoRoom) || errors.Is(err, ErrKeyReused)
}

// Usage returns the usage of each limited window of a caller's quotas. It fails with quota.ErrUnavailable and costs one
// request for each window, in parallel.
func (s *Submitter) Usage(ctx context.Context, caller Caller) ([]quota.Usage, error) {
	return s.quota.Usage(ctx, s.names.quotaKey(caller, quota.GroupMedia), s.names.quotaKey(caller, quota.GroupText))
}

// FindRetry returns the job that a retry under an idempotency key has created, even if the job that was retried is no longer
// stored. It fails with ErrNotFound and with ErrKeyReused.
func (s *Submitter) FindRetry(ctx context.Context, caller Caller, key string, r Retry) (*job.Snapshot, error) {
	fingerprint, err := r.fingerprint()
	if err != nil {
		return nil, err
	}
	snap, err := s.jobs.Read(ctx, []string{caller.Owner}, s.names.keyedID(caller, key))
	if err != nil {
		return nil, err
	}
	if snap.Spec.Fingerprint != fingerprint {
		return nil, ErrKeyReused
	}
	return snap, nil
}

// Replay creates a new job from a dead letter, for the same owner, and then removes the dead letter. Quotas and limits do not
// apply. It fails as Service.Replay does, and with ErrReferencesGone.
func (s *Submitter) Replay(ctx context.Context, letter *store.DeadLetter) (snap *job.Snapshot, replayed bool, err error) {
	if letter.Dead == nil {
		return nil, false, ErrNotRetryable
	}
	spec := letter.Dead.Spec.Again(s.names.replayID(letter), s.now())
	spec.MaxAttempts, spec.RequestID = s.cfg.MaxAttempts, telemetry.RequestID(ctx)
	if spec.Fingerprint, err = (Retry{ID: letter.ID}).fingerprint(); err != nil {
		return nil, false, err
	}
	if len(spec.References) > 0 {
		if err := s.copyForReplay(ctx, letter, spec); err != nil {
			return nil, false, err
		}
	}
	return s.jobs.Replay(ctx, letter, spec)
}

// context returns a copy of ctx that is also canceled when the caller disconnects.
func (c Caller) context(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if c.OnGone == nil {
		return ctx, cancel
	}
	stop := c.OnGone(cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}
