package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// Identical requests of an owner have one result. The first of their jobs that a worker takes is their leader: it generates the result.
// The cache names it by a key that all of them have. A worker that takes another one while the leader is under way returns it to the
// queue, and copies the result once there is one. A leader that ends without a result is replaced by the next job that a worker takes.
// Requests that arrive later are answered with a copy at once.
//
// Results are copied, so that the jobs do not depend on each other. The cache may be lost or unavailable at any time: jobs are then
// generated as if it did not exist.

// SetUncached requires a result of its own for the job, and does not offer it to others. It is a part of the request: an idempotency key
// must be another one too.
func (o *Order) SetUncached() error {
	fingerprint, err := job.UncachedFingerprint(o.fingerprint)
	if err != nil {
		return err
	}
	o.fingerprint, o.repeatable = fingerprint, false
	return nil
}

// cacheKey returns the key of the cache for an order; "" if its result is not shared. Callers without an identity share none, since
// they have one owner.
func (s *Submitter) cacheKey(caller Caller, o *Order) (string, error) {
	if !o.repeatable || caller.Owner == job.OwnerAnonymous || len(o.missing) > 0 {
		return "", nil
	}
	references := make([]job.ReferenceImage, len(o.references))
	for i, r := range o.references {
		references[i] = r.ReferenceImage
	}
	content, err := job.CacheContent(o.Kind, o.Input, references)
	if err != nil {
		return "", err
	}
	return s.names.cacheKey(caller.Owner, content), nil
}

// Claim is the outcome of Service.Claim. If both fields are empty, the job is the leader and has to be generated.
type Claim struct {
	// Result is the record of an identical job that has succeeded, to be copied.
	Result *job.Record
	// Leader is the id of an identical job that is under way.
	Leader string
}

const (
	// claimTries bounds how often Claim starts again, after claimPause, because another job becomes the leader at the same time. A
	// cluster also refuses a write while another one is replicated.
	claimTries = 20
	claimPause = 20 * time.Millisecond
)

// Claim makes a job with a cache key the leader of its key, unless another job is the leader and is under way or has succeeded. The
// result of the job except is not used, because its media are gone. When it fails, the job has to be generated like one without a key.
//
// It costs one read if the job is the leader already, and one publish if there was none; up to three reads, always from the leaders of
// the streams, are for the state of another leader.
func (s *Service) Claim(ctx context.Context, spec *job.Spec, except string) (Claim, error) {
	for range claimTries {
		leader, err := s.store.CacheLeader(ctx, spec.Owner, spec.CacheKey)
		if err != nil {
			return Claim{}, err
		}
		switch leader.ID {
		case spec.ID:
			return Claim{}, nil
		case "", except:
		default:
			claim, free, err := s.stateOf(ctx, spec.Owner, leader.ID)
			if err != nil || !free {
				return claim, err
			}
		}
		err = s.store.SetCacheLeader(ctx, spec.Owner, spec.CacheKey, spec.ID, leader.Revision)
		if !errors.Is(err, store.ErrConflict) {
			return Claim{}, err
		}
		if !lifecycle.Sleep(ctx, claimPause) {
			break
		}
	}
	return Claim{}, fmt.Errorf("claim a result: %w", store.ErrConflict)
}

// stateOf returns what a leader means for jobs that are identical to it; free is set if one of them has to replace it.
func (s *Service) stateOf(ctx context.Context, owner, leader string) (claim Claim, free bool, err error) {
	noProgress := func(context.Context, string, string) (*job.Progress, uint64, error) { return nil, 0, store.ErrNotFound }
	snap, err := s.read(ctx, owner, leader, s.store.RecordLeader, noProgress, s.queue.FindLeader)
	switch {
	case errors.Is(err, ErrNotFound):
		return Claim{}, true, nil // It was deleted or has expired.
	case err != nil:
		return Claim{}, false, fmt.Errorf("read an identical job: %w", err)
	case snap.Record == nil:
		return Claim{Leader: leader}, false, nil
	case snap.Record.Reusable():
		return Claim{Result: snap.Record}, false, nil
	}
	return Claim{}, true, nil
}

// copyMedia copies the media of the record and returns a copy of it with their descriptions.
func (s *Service) copyMedia(ctx context.Context, st *Settlement) (*job.Record, error) {
	record, result, size := *st.Record, *st.Record.Result, int64(0)
	for _, m := range result.Media {
		size += m.Bytes
	}
	copied := make([]job.Media, len(result.Media))
	err := s.write(ctx, st, StepMedia, int(size), func(ctx context.Context) (err error) {
		for i, m := range result.Media {
			if copied[i], err = s.store.CopyMedia(ctx, record.Spec.Owner, st.CopyOf, record.Spec.ID, m); err != nil {
				return err
			}
		}
		return nil
	})
	result.Media = copied
	record.Result = &result
	return &record, err
}

// fromCache creates a job that has ended at once, with a copy of the result of an identical one. It returns nil if there is none. Such a
// job is neither charged nor counted as active.
//
// For a request that may be repeated, it costs one request, and one or two more if there was an identical job. If that has a result,
// it costs as much as Settle. A job that is under an idempotency key, or whose end a webhook is told, is put into the queue before, so
// that its key is taken and a crash does not lose the event.
func (s *Submitter) fromCache(ctx context.Context, caller Caller, spec *job.Spec, order *Order) (*Submission, error) {
	if spec.CacheKey == "" {
		return nil, nil
	}
	of, err := s.jobs.cached(ctx, spec)
	if err != nil {
		s.log.DebugContext(ctx, "cannot look for the result of an identical job", slog.Any("error", err))
	}
	if of == nil || !s.hits.take(spec.Owner, s.now()) {
		return nil, nil
	}
	tombstone := false
	if order.Key != "" {
		unlock, err := s.keyLocks.lock(ctx, spec.ID)
		if err != nil {
			return nil, err
		}
		defer unlock()
		snap, deleted, err := s.jobs.existing(ctx, spec)
		switch {
		case err != nil:
			return nil, err
		case snap != nil:
			return &Submission{Job: snap, Replayed: true}, nil
		}
		tombstone = deleted
	}
	if err := s.copyReferences(ctx, spec, order.references); err != nil {
		return nil, err
	}
	remove := func(context.Context) error { return nil }
	created := &job.Snapshot{Spec: spec}
	if order.Key != "" || spec.Webhook != nil {
		remove = nil
		// A worker has to make the call if the result is deleted before it is copied.
		if plan := s.quota.Plan(s.names.quotaKey(caller, quota.GroupOf(spec.Kind)), spec.ID, spec.CreatedAt.Time, spec.Units()); plan != nil {
			spec.DeferredCharge = plan.Charge
		}
		snap, replayed, err := s.jobs.enqueue(ctx, spec, order.Key != "", tombstone)
		if err != nil || snap.Record != nil || replayed {
			return &Submission{Job: snap, Replayed: replayed}, err
		}
		created = snap
	}
	record := of.Copy()
	record.Spec, record.FinishedAt = spec, job.At(s.now())
	final, won, err := s.jobs.Settle(ctx, Settlement{Record: record, CopyOf: of.Spec.ID, Remove: remove})
	switch {
	case final != nil:
		if won {
			s.metrics.CachedResults.WithLabelValues(string(spec.Kind), telemetry.CacheHit).Inc()
		}
		return &Submission{Job: &job.Snapshot{Spec: final.Spec, Record: final}}, nil
	case created.Sequence > 0:
		// A worker takes the job instead.
		s.log.DebugContext(ctx, "cannot end a job with the result of an identical one", slog.Any("error", err))
		return &Submission{Job: created}, nil
	case errors.Is(err, store.ErrGone):
		return nil, nil
	}
	return nil, err
}

// cached returns the record of a job that is identical to a new one and whose result can be copied, nil if there is none.
func (s *Service) cached(ctx context.Context, spec *job.Spec) (*job.Record, error) {
	leader, err := s.store.CacheLeader(ctx, spec.Owner, spec.CacheKey)
	if err != nil || leader.ID == "" || leader.ID == spec.ID {
		return nil, err
	}
	r, err := s.record(ctx, spec.Owner, leader.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	case !r.Reusable():
		return nil, nil
	}
	return r, nil
}

// hitsPerMinute is how many jobs of an owner are answered with a copy in a minute without being charged. Each copy takes room in the
// store; further ones take the way of other jobs, with the limits of these, and are refunded.
const hitsPerMinute = 60

// hitLimit counts the copies of each owner in the current minute.
type hitLimit struct {
	mu      sync.Mutex
	minute  time.Time
	byOwner map[string]int
}

// take counts a copy and reports whether it is within the limit.
func (l *hitLimit) take(owner string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if minute := now.Truncate(time.Minute); !minute.Equal(l.minute) {
		l.minute, l.byOwner = minute, make(map[string]int)
	}
	l.byOwner[owner]++
	return l.byOwner[owner] <= hitsPerMinute
}

const (
	// joinWait is how long a submission waits for the job of an identical one that has become the leader and is not accepted yet,
	// looking every joinPause.
	joinWait  = 2 * time.Second
	joinPause = 10 * time.Millisecond
)

// join reports whether an identical job is under way. The job of spec is then charged at its end, and only if it has to make the upstream
// calls itself after all; usage is that of the limited windows. Otherwise the job becomes the leader, so that identical requests that
// arrive while it is submitted join it, and unclaim takes that back. Without a cache, or after an error, the job is charged like any other.
//
// It costs nothing for a request that may not be repeated. For others it costs a request and a publish if there was no leader, and some
// three requests and a read of each counter of the quota otherwise.
func (s *Submitter) join(ctx context.Context, key quota.Key, spec *job.Spec) (joined bool, usage []quota.Usage, unclaim func(context.Context)) {
	unclaim = func(context.Context) {}
	if spec.CacheKey == "" || len(key.Budgets) > 0 { // What may be spent must be charged to budgets before.
		return false, nil, unclaim
	}
	leads, follows, err := s.lead(ctx, spec)
	if err == nil && follows {
		spec.DeferredCharge, usage, err = s.quota.Defer(ctx, key, spec.Units())
	}
	switch {
	case err != nil:
		s.log.DebugContext(ctx, "cannot join an identical job", slog.Any("error", err))
		return false, nil, unclaim
	case leads:
		unclaim = func(ctx context.Context) { s.jobs.unclaim(ctx, spec) }
	}
	return follows, usage, unclaim
}

// lead makes the job of a submission the leader of its key, unless another one is under way. It reports neither if one has succeeded.
func (s *Submitter) lead(ctx context.Context, spec *job.Spec) (leads, follows bool, err error) {
	st := s.jobs.store
	for start := time.Now(); ; {
		leader, err := st.CacheLeader(ctx, spec.Owner, spec.CacheKey)
		if err != nil {
			return false, false, err
		}
		if leader.ID != "" && leader.ID != spec.ID {
			claim, free, err := s.jobs.stateOf(ctx, spec.Owner, leader.ID)
			if err != nil || !free {
				return false, claim.Leader != "", err
			}
			// A leader that is being submitted is not in the queue yet.
			young := time.Since(leader.Since).Abs() < joinWait
			if young && time.Since(start) < joinWait && lifecycle.Sleep(ctx, joinPause) {
				continue
			}
		}
		err = st.SetCacheLeader(ctx, spec.Owner, spec.CacheKey, spec.ID, leader.Revision)
		if !errors.Is(err, store.ErrConflict) || time.Since(start) >= joinWait {
			return err == nil, false, err
		}
	}
}

// unclaim lets another job become the leader instead of one that was not accepted.
func (s *Service) unclaim(ctx context.Context, spec *job.Spec) {
	leader, err := s.store.CacheLeader(ctx, spec.Owner, spec.CacheKey)
	if err == nil && leader.ID == spec.ID {
		err = s.store.SetCacheLeader(ctx, spec.Owner, spec.CacheKey, "", leader.Revision)
	}
	if err != nil && !errors.Is(err, store.ErrConflict) && s.log != nil {
		s.log.DebugContext(ctx, "cannot give up the lead of identical jobs", slog.Any("error", err))
	}
}
