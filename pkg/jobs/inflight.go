package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// TooManyActiveError refuses a submission because its owner has Max queued or running jobs, the most it may have.
type TooManyActiveError struct{ Max int }

// Error names the limit.
func (e *TooManyActiveError) Error() string { return fmt.Sprintf("%d jobs are active already", e.Max) }

// inflight holds the submissions of each owner that are in progress, so that concurrent ones count each other and not only the
// jobs in the queue.
type inflight struct {
	mu      sync.Mutex
	byOwner map[string][]*reservation
}

// reservation is a submission in progress.
type reservation struct{ owner, id string }

// reserve adds a submission after the existing ones.
func (f *inflight) reserve(owner, id string) *reservation {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.byOwner == nil {
		f.byOwner = make(map[string][]*reservation)
	}
	r := &reservation{owner, id}
	f.byOwner[owner] = append(f.byOwner[owner], r)
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

// ahead returns the ids of the owner's submissions in progress that were added before r. It must be called before the queue is
// read: a submission that is released in between is then counted in one of the two, or in both.
func (f *inflight) ahead(r *reservation) map[string]bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	ids := make(map[string]bool)
	for _, other := range f.byOwner[r.owner] {
		if other == r {
			break
		}
		ids[other.id] = true
	}
	return ids
}

// reserve counts a submission as active until release is called, or fails with a *TooManyActiveError. A repeated submission,
// which creates no job, is never refused. It costs one request, and four more when it refuses.
func (s *Submitter) reserve(ctx context.Context, spec *job.Spec, keyed bool) (release func(), err error) {
	most := s.cfg.maxActive(spec.Owner, spec.Lane)
	if most == 0 {
		return func() {}, nil
	}
	r := s.inflight.reserve(spec.Owner, spec.ID)
	if err := s.checkActive(ctx, r, most, keyed); err != nil {
		s.inflight.release(r)
		return nil, err
	}
	return func() { s.inflight.release(r) }, nil
}

func (s *Submitter) checkActive(ctx context.Context, r *reservation, most int, keyed bool) error {
	ahead := s.inflight.ahead(r)
	queued, err := s.jobs.queue.OwnerIDs(ctx, r.owner)
	if err != nil {
		return err
	}
	if countWith(ahead, queued, r.id) < most || slices.Contains(queued, r.id) {
		return nil
	}
	// A job that has just ended is in the queue until it is settled, and a client that has seen its end may submit before that.
	ahead = s.inflight.ahead(r)
	snaps, err := s.jobs.Active(ctx, r.owner)
	if err != nil {
		return err
	}
	ids := make([]string, len(snaps))
	for i, snap := range snaps {
		ids[i] = snap.Spec.ID
	}
	if countWith(ahead, ids, r.id) < most {
		return nil
	}
	if keyed {
		_, err := s.jobs.store.RecordLeader(ctx, r.owner, r.id)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return &TooManyActiveError{Max: most}
}

// countWith adds ids to set and returns how many there are without own.
func countWith(set map[string]bool, ids []string, own string) int {
	for _, id := range ids {
		set[id] = true
	}
	delete(set, own)
	return len(set)
}
