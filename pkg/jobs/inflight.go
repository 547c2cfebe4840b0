package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// TooManyActiveError refuses a submission because its owner has Max queued or running jobs, the most it may have.
type TooManyActiveError struct {
	Max int
	// OfKey reports that the limit is that of the API key.
	OfKey bool
}

// Error names the limit.
func (e *TooManyActiveError) Error() string { return fmt.Sprintf("%d jobs are active already", e.Max) }

// inflight holds the submissions of each owner that are in progress, so that concurrent ones count each other and not only the
// jobs in the queue.
type inflight struct {
	mu      sync.Mutex
	byOwner map[string][]*reservation
}

// reservation is a submission in progress. name is what distinguishes it from others, and apiKey the ID of the API key, if any.
type reservation struct{ owner, id, name, apiKey string }

// maxIdentical is up to how many active jobs of an owner identical ones count as one.
const maxIdentical = 100

// activeName returns what distinguishes a job from others that are active: identical ones, which share a result, count as one.
func activeName(spec *job.Spec) string { return cmp.Or(spec.CacheKey, spec.ID) }

// reserve adds a submission after the existing ones.
func (f *inflight) reserve(spec *job.Spec) *reservation {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byOwner == nil {
		f.byOwner = make(map[string][]*reservation)
	}
	r := &reservation{spec.Owner, spec.ID, activeName(spec), spec.APIKey}
	f.byOwner[r.owner] = append(f.byOwner[r.owner], r)
	return r
}

// release removes a submission. Its job, if any, is in the queue by then.
func (f *inflight) release(r *reservation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	left := slices.DeleteFunc(f.byOwner[r.owner], func(other *reservation) bool { return other == r })
	if len(left) == 0 {
		delete(f.byOwner, r.owner)
		return
	}
	f.byOwner[r.owner] = left
}

// ahead returns the names of the owner's submissions in progress that were added before r, and of those the ones with the same API key.
// It must be called before the queue is read: a submission that is released in between is then counted in one of the two, or in both.
func (f *inflight) ahead(r *reservation) (all, ofKey map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, ofKey = make(map[string]bool), make(map[string]bool)
	for _, other := range f.byOwner[r.owner] {
		if other == r {
			break
		}
		all[other.name] = true
		if r.apiKey != "" && other.apiKey == r.apiKey {
			ofKey[other.name] = true
		}
	}
	return all, ofKey
}

// activeLimits are the limits of a submission; 0 means none.
type activeLimits struct{ owner, key int }

// reserve counts a submission as active until release is called, or fails with a *TooManyActiveError. A repeated submission,
// which creates no job, is never refused. It costs one request, and up to five more when it refuses or an API key with a limit of its
// own belongs to an owner with as many jobs.
func (s *Submitter) reserve(ctx context.Context, key *CallerKey, spec *job.Spec, keyed bool) (release func(), err error) {
	limits := s.activeLimits(key, spec)
	if limits == (activeLimits{}) {
		return func() {}, nil
	}
	r := s.inflight.reserve(spec)
	if err := s.checkActive(ctx, r, limits, keyed); err != nil {
		s.inflight.release(r)
		return nil, err
	}
	return func() { s.inflight.release(r) }, nil
}

func (s *Submitter) activeLimits(key *CallerKey, spec *job.Spec) activeLimits {
	limits := activeLimits{owner: s.cfg.maxActive(spec.Owner, spec.Lane)}
	if key != nil {
		limits.key = key.MaxActive
	}
	return limits
}

func (s *Submitter) checkActive(ctx context.Context, r *reservation, limits activeLimits, keyed bool) error {
	ahead, _ := s.inflight.ahead(r)
	if s.jobs.broker.Alone() {
		// The sum is at most too high: those that are being submitted and are queued already count twice.
		queued, err := s.jobs.queue.OwnerCount(ctx, r.owner)
		if err != nil {
			return err
		}
		if n := queued + len(ahead); limits.exceeded(n, n) == nil {
			return nil
		}
	}
	queued, err := s.jobs.queue.OwnerIDs(ctx, r.owner)
	if err != nil {
		return err
	}
	// An API key has at most as many jobs as its owner, whose jobs in batches are counted only here. So are identical jobs, and those that
	// are being submitted as well as queued.
	n := countWith(ahead, queued, r.id)
	if limits.exceeded(n, n) == nil || slices.Contains(queued, r.id) {
		return nil
	}
	// A job that has just ended is in the queue until it is settled, and a client that has seen its end may submit before that.
	ahead, aheadOfKey := s.inflight.ahead(r)
	snaps, err := s.jobs.Active(ctx, r.owner)
	if err != nil {
		return err
	}
	var names, namesOfKey []string
	for _, snap := range snaps {
		name := activeName(snap.Spec)
		if len(snaps) > maxIdentical {
			name = snap.Spec.ID
		}
		if snap.Spec.Batch == "" { // The jobs of batches have a limit of their own.
			names = append(names, name)
		}
		if r.apiKey != "" && snap.Spec.APIKey == r.apiKey {
			namesOfKey = append(namesOfKey, name)
		}
	}
	refusal := limits.exceeded(countWith(ahead, names, r.name), countWith(aheadOfKey, namesOfKey, r.name))
	if refusal == nil {
		return nil
	}
	if keyed {
		_, err := s.jobs.store.RecordLeader(ctx, r.owner, r.id)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return refusal
}

// exceeded returns a *TooManyActiveError if as many jobs of the owner, or of its API key, are active as there may be, and otherwise
// nil.
func (l activeLimits) exceeded(owner, key int) error {
	switch {
	case l.owner > 0 && owner >= l.owner:
		return &TooManyActiveError{Max: l.owner}
	case l.key > 0 && key >= l.key:
		return &TooManyActiveError{Max: l.key, OfKey: true}
	}
	return nil
}

// countWith adds names to set and returns how many there are without own.
func countWith(set map[string]bool, names []string, own string) int {
	for _, name := range names {
		set[name] = true
	}
	delete(set, own)
	return len(set)
}
