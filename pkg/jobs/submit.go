package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// SubmitterDeps are the parts that submissions need. Those without a remark are required.
type SubmitterDeps struct {
	Jobs  *Service
	Quota *quota.Quota
	// Catalogue is the built-in list of models, against which the default models are checked.
	Catalogue *job.Catalogue
	// Secret is the installation's: ids and names of counters are derived from it.
	Secret []byte
	// Accepting returns an error while the operator accepts no new jobs, which refuses them; nil accepts all.
	Accepting func() error
	Metrics   *telemetry.Metrics
	Log       *slog.Logger
	// Now is time.Now when nil.
	Now func() time.Time
}

// Submitter accepts jobs: it completes requests, recognizes repeated ones, limits the active jobs of an owner, charges the
// quota and makes jobs durable.
type Submitter struct {
	cfg       Config
	jobs      *Service
	quota     *quota.Quota
	names     names
	defaults  job.Defaults
	accepting func() error
	inflight  inflight
	metrics   *telemetry.Metrics
	log       *slog.Logger
	now       func() time.Time
}

// NewSubmitter returns a submitter. It fails with a *env.Fault when a setting names a model or voice that is not in the
// catalogue, and logs a warning when the default speech model is retired.
func NewSubmitter(cfg Config, deps SubmitterDeps) (*Submitter, error) {
	s := &Submitter{
		cfg: cfg, jobs: deps.Jobs, quota: deps.Quota, names: newNames(deps.Secret), accepting: deps.Accepting,
		metrics: deps.Metrics, log: deps.Log, now: deps.Now,
	}
	if s.accepting == nil {
		s.accepting = func() error { return nil }
	}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	s.defaults, err = cfg.defaults(deps.Catalogue, deps.Log)
	return s, err
}

// Defaults returns what completes requests.
func (s *Submitter) Defaults() job.Defaults { return s.defaults }

// Submission is a job that was submitted.
type Submission struct {
	Job *job.Snapshot
	// Replayed says that the job is of an earlier submission under the same key. It is returned as it stands.
	Replayed bool
	// Usage is of each limited window of the caller's quota, with what the job took; nil when nothing is limited, and for a
	// replayed job, which takes nothing.
	Usage []quota.Usage
}

// Submit makes a job of an order. When it returns without error the job is durable.
//
// It fails with a *TooManyActiveError, with a *quota.Refusal, with ErrKeyReused when the key came with another request, with
// the error of SubmitterDeps.Accepting, with queue.ErrFull and queue.ErrNoRoom, and with queue.ErrUnavailable and
// quota.ErrUnavailable when NATS does not answer. After an error other than those of NotSubmitted the job may be there.
//
// What makes no job is not charged: neither what is refused nor what repeats an earlier submission, which is answered though
// nothing is left of the quota. Beside the publish it costs a request for the limit of active jobs, and two for each limited
// window of the quota.
func (s *Submitter) Submit(ctx context.Context, caller Caller, order *Order) (*Submission, error) {
	spec, err := s.spec(caller, order, telemetry.RequestID(ctx))
	if err != nil {
		return nil, err
	}
	keyed := order.Key != ""
	if refused := s.accepting(); refused != nil {
		return s.replayOr(ctx, spec, keyed, refused)
	}
	present, release := caller.present(ctx)
	defer release()
	// The limit of active jobs goes first, so that what it refuses need not be given back to the quota.
	leave, err := s.reserve(present, spec, keyed)
	if err != nil {
		return nil, err
	}
	defer leave()
	key := s.names.quotaKey(caller, quota.GroupOf(spec.Kind))
	if !s.quota.Limited(key) {
		snap, replayed, err := s.jobs.Enqueue(present, spec, keyed)
		if err != nil {
			return nil, err
		}
		return &Submission{Job: snap, Replayed: replayed}, nil
	}
	unlock, err := s.quota.Lock(present, key)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if keyed {
		// A repetition that was charged, and given back, would stand in the way of others.
		snap, err := s.jobs.existing(present, spec)
		switch {
		case err != nil:
			return nil, err
		case snap != nil:
			return &Submission{Job: snap, Replayed: true}, nil
		}
	}
	// From here on it does not matter whether the caller is still there: who hangs up at the right moment would get a job and
	// its charge back.
	return s.submitWithQuota(ctx, key, spec, keyed)
}

// submitWithQuota charges a job and makes it durable. The charge is undone when no job was made.
func (s *Submitter) submitWithQuota(ctx context.Context, key quota.Key, spec *job.Spec, keyed bool) (*Submission, error) {
	bill, err := s.quota.Charge(ctx, key, spec.ID, spec.Units())
	if refusal, ok := errors.AsType[*quota.Refusal](err); ok {
		// Another process may have made the job meanwhile, with what was left.
		submission, err := s.replayOr(ctx, spec, keyed, refusal)
		if errors.Is(err, refusal) {
			s.metrics.QuotaRefusals.WithLabelValues(refusal.Policy(), string(key.Lane)).Inc()
		}
		return submission, err
	}
	if err != nil {
		return nil, err
	}
	spec.Charge = bill.Charge
	snap, replayed, err := s.jobs.Enqueue(ctx, spec, keyed)
	var undone error
	switch {
	case err != nil && !NotSubmitted(err):
		undone = bill.ReleaseIfAbsent(ctx, spec)
	case err != nil || replayed:
		undone = bill.Release(ctx)
	}
	if undone != nil {
		// The caller gets the outcome of the submission all the same, and has lost a little of its quota.
		s.log.WarnContext(ctx, "cannot refund the quota", slog.Any("error", undone))
	}
	if err != nil {
		return nil, err
	}
	if replayed {
		return &Submission{Job: snap, Replayed: true}, nil
	}
	return &Submission{Job: snap, Usage: bill.Usage}, nil
}

// replayOr returns the job that an earlier submission under the key of a spec has made, and fails with refused when there is
// none.
func (s *Submitter) replayOr(ctx context.Context, spec *job.Spec, keyed bool, refused error) (*Submission, error) {
	if !keyed {
		return nil, refused
	}
	snap, err := s.jobs.existing(ctx, spec)
	switch {
	case err != nil:
		return nil, err
	case snap == nil:
		return nil, refused
	}
	return &Submission{Job: snap, Replayed: true}, nil
}

// NotSubmitted reports whether an error of Submit says that there is no new job. After any other error that is not known.
func NotSubmitted(err error) bool {
	if _, ok := errors.AsType[*TooManyActiveError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*quota.Refusal](err); ok {
		return true
	}
	return errors.Is(err, queue.ErrFull) || errors.Is(err, queue.ErrNoRoom) || errors.Is(err, ErrKeyReused)
}

// Usage returns what a caller has used of each limited window of its quotas. It fails with quota.ErrUnavailable and costs
// one request for each window, all at once.
func (s *Submitter) Usage(ctx context.Context, caller Caller) ([]quota.Usage, error) {
	return s.quota.Usage(ctx, s.names.quotaKey(caller, quota.GroupMedia), s.names.quotaKey(caller, quota.GroupText))
}

// FindRetry returns the job that a caller made with a retry under an idempotency key, though the job that it repeated is no
// longer kept. It fails with ErrNotFound and with ErrKeyReused.
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

// Replay makes a new job of a dead letter, for the same owner, and then removes the letter. It is charged to nobody and no
// limit holds for it. It fails as Service.Replay does.
func (s *Submitter) Replay(ctx context.Context, letter *store.DeadLetter) (snap *job.Snapshot, replayed bool, err error) {
	if letter.Dead == nil {
		return nil, false, ErrNotRetryable
	}
	spec := letter.Dead.Spec.Again(s.names.replayID(letter), s.now())
	spec.MaxAttempts, spec.RequestID = s.cfg.MaxAttempts, telemetry.RequestID(ctx)
	if spec.Fingerprint, err = (Retry{ID: letter.ID}).fingerprint(); err != nil {
		return nil, false, err
	}
	return s.jobs.Replay(ctx, letter, spec)
}

// present returns a context that ends with ctx, and as soon as the caller has gone.
func (c Caller) present(ctx context.Context) (present context.Context, release func()) {
	ctx, cancel := context.WithCancel(ctx)
	if c.Gone == nil {
		return ctx, cancel
	}
	released := make(chan struct{})
	go func() {
		select {
		case <-c.Gone:
			cancel()
		case <-released:
		}
	}()
	return ctx, func() {
		close(released)
		cancel()
	}
}
