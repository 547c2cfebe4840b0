package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

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
	byOwner map[string]*submissions
	// swept is when counts that are too old were last removed.
	swept time.Time
}

// submissions are those of one owner.
type submissions struct {
	inProgress []*reservation
	// added is how many there have been.
	added uint64
	// last is the last count of the owner's active jobs, if any.
	last activeCount
	// counting, if not nil, is closed when a count that is in progress has ended.
	counting chan struct{}
}

// activeCount is how many jobs of an owner were active when so many submissions had been added, or a few more than that.
type activeCount struct {
	active int
	added  uint64
	at     time.Time
}

// maxCountAge is how long a count is used. In that time, jobs that other processes submit are not counted.
const maxCountAge = time.Second

func (c activeCount) fresh(now time.Time) bool { return !c.at.IsZero() && now.Sub(c.at) < maxCountAge }

// reservation is a submission in progress. number counts those of its owner, name is what distinguishes it from others, and apiKey
// the ID of the API key, if any.
type reservation struct {
	owner, id, name, apiKey string
	number                  uint64
}

func newReservation(spec *job.Spec) *reservation {
	return &reservation{owner: spec.Owner, id: spec.ID, name: activeName(spec), apiKey: spec.APIKey}
}

// maxIdentical is up to how many active jobs of an owner identical ones count as one.
const maxIdentical = 100

// activeName returns what distinguishes a job from others that are active: identical ones, which share a result, count as one.
func activeName(spec *job.Spec) string { return cmp.Or(spec.CacheKey, spec.ID) }

// reserve adds a submission after the existing ones.
func (f *inflight) reserve(spec *job.Spec) *reservation {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byOwner == nil {
		f.byOwner = make(map[string]*submissions)
	}
	own := f.byOwner[spec.Owner]
	if own == nil {
		own = &submissions{}
		f.byOwner[spec.Owner] = own
	}
	own.added++
	r := newReservation(spec)
	r.number = own.added
	own.inProgress = append(own.inProgress, r)
	return r
}

// of returns the submissions of an owner, to read only. mu must be held.
func (f *inflight) of(owner string) *submissions {
	if own := f.byOwner[owner]; own != nil {
		return own
	}
	return &submissions{}
}

// release removes a submission. Its job, if any, is in the queue by then.
func (f *inflight) release(r *reservation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.byOwner[r.owner]
	own.inProgress = slices.DeleteFunc(own.inProgress, func(other *reservation) bool { return other == r })
	if len(own.inProgress) == 0 && own.last.at.IsZero() {
		delete(f.byOwner, r.owner)
	}
}

// ahead returns the names of the owner's submissions in progress that were added before r, and of those the ones with the same API key.
// It must be called before the queue is read: a submission that is released in between is then counted in one of the two, or in both.
func (f *inflight) ahead(r *reservation) (all, ofKey map[string]bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	all, ofKey = make(map[string]bool), make(map[string]bool)
	for _, other := range f.of(r.owner).inProgress {
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

// atMostBefore returns a number that the owner's active jobs that were added before r do not exceed: those of the last count and all
// that were added since. It returns false if there is no count, or an old one.
func (f *inflight) atMostBefore(r *reservation, now time.Time) (int, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.of(r.owner)
	if !own.last.fresh(now) {
		return 0, false
	}
	since := max(own.last.added, min(own.added, r.number-1)) - own.last.added
	return own.last.active + int(min(since, math.MaxInt32)), true
}

// awaitCount waits until a count of the owner's active jobs that is in progress has ended, or ctx ends. It returns false if there is none.
func (f *inflight) awaitCount(ctx context.Context, owner string) bool {
	f.mu.Lock()
	counting := f.of(owner).counting
	f.mu.Unlock()
	if counting == nil {
		return false
	}
	select {
	case <-counting:
	case <-ctx.Done():
	}
	return true
}

// beginCount returns the count to complete with what is in the queue after the call. It counts submissions that are released in
// between twice. endCount or abortCount must follow.
func (f *inflight) beginCount(r *reservation, now time.Time) activeCount {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.of(r.owner)
	if own.counting == nil {
		own.counting = make(chan struct{})
	}
	return activeCount{active: len(own.inProgress), added: own.added, at: now}
}

// abortCount ends a count that has failed.
func (f *inflight) abortCount(r *reservation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of(r.owner).counted()
}

// counted tells those that wait for a count that there is one, or none.
func (own *submissions) counted() {
	if own.counting != nil {
		close(own.counting)
		own.counting = nil
	}
}

// endCount keeps a count for the submissions that follow, unless there is a newer one.
func (f *inflight) endCount(r *reservation, count activeCount) {
	f.mu.Lock()
	defer f.mu.Unlock()
	own := f.of(r.owner)
	if count.added >= own.last.added {
		own.last = count
	}
	own.counted()
	if count.at.Sub(f.swept) < maxCountAge {
		return
	}
	f.swept = count.at
	maps.DeleteFunc(f.byOwner, func(_ string, own *submissions) bool {
		return len(own.inProgress) == 0 && !own.last.fresh(count.at)
	})
}

// activeLimits are the limits of a submission; 0 means none.
type activeLimits struct{ owner, key int }

// reserve counts a submission as active until release is called, or fails with a *TooManyActiveError. A repeated submission,
// which creates no job, is never refused. It costs at most one request, and up to five more when it refuses or an API key with a limit
// of its own belongs to an owner with as many jobs.
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
		n, err := s.atMostActive(ctx, r, len(ahead), limits)
		if err != nil || limits.exceeded(n, n) == nil {
			return err
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

// atMostActive returns a number that the owner's active jobs that were added before r do not exceed. It costs no request while the last
// count, or one that is in progress, and what was added since then are within the limits.
func (s *Submitter) atMostActive(ctx context.Context, r *reservation, ahead int, limits activeLimits) (int, error) {
	for waited := false; ; waited = true {
		if n, ok := s.inflight.atMostBefore(r, s.now()); ok && limits.exceeded(n, n) == nil {
			return n, nil
		}
		if waited || !s.inflight.awaitCount(ctx, r.owner) {
			break
		}
	}
	count := s.inflight.beginCount(r, s.now())
	queued, err := s.jobs.queue.OwnerCount(ctx, r.owner)
	if err != nil {
		s.inflight.abortCount(r)
		return 0, err
	}
	count.active += queued
	s.inflight.endCount(r, count)
	// Submissions that are being made and are queued already count twice.
	return queued + ahead, nil
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
