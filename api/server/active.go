package server

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// underway knows the submissions of each owner that are on their way to the queue, so that many at once do not all
// count the same jobs and find room.
type underway struct {
	mu      sync.Mutex
	tickets map[string][]*ticket
}

// ticket is one submission.
type ticket struct{ owner, id string }

// enter takes note of a submission, behind those that are there.
func (u *underway) enter(owner, id string) *ticket {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.tickets == nil {
		u.tickets = make(map[string][]*ticket)
	}
	t := &ticket{owner, id}
	u.tickets[owner] = append(u.tickets[owner], t)
	return t
}

// leave forgets a submission. The queue knows by now what became of it.
func (u *underway) leave(t *ticket) {
	u.mu.Lock()
	defer u.mu.Unlock()
	left := slices.DeleteFunc(u.tickets[t.owner], func(other *ticket) bool { return other == t })
	if len(left) == 0 {
		delete(u.tickets, t.owner)
		return
	}
	u.tickets[t.owner] = left
}

// ahead returns the ids of the owner's submissions that came before this one and are still on their way. It is to be
// asked before the queue is: what leaves in between is then in both, and not in neither.
func (u *underway) ahead(t *ticket) map[string]bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	ids := make(map[string]bool)
	for _, other := range u.tickets[t.owner] {
		if other == t {
			break
		}
		ids[other.id] = true
	}
	return ids
}

// maxActive returns how many jobs of an owner may wait or run at once; 0 means without limit. Callers that nothing
// tells apart share an owner, and a bound on all of them together would let one shut out the others.
func (c *Config) maxActive(owner string, lane job.Lane) int {
	switch {
	case owner == job.OwnerAnonymous:
		return 0
	case lane == job.LaneMember:
		return c.MaxActiveMember
	}
	return c.MaxActiveGuest
}

// accept makes a job durable, unless its owner has as many active jobs as may be. What the service says of a repeated
// submission goes for this one: it is answered with the job that is there, however many others there are. It costs one
// request more than the service's, and five when it refuses.
//
// The bound holds within one process; several may each let a submission pass at the same moment.
func (s *Server) accept(ctx context.Context, spec *job.Spec, keyed bool) (snap *job.Snapshot, replayed bool, err error) {
	leave, err := s.enter(ctx, spec, keyed)
	if err != nil {
		return nil, false, err
	}
	defer leave()
	return s.deps.Jobs.Submit(ctx, spec, keyed)
}

// enter takes note of a submission until leave is called, or refuses it because its owner has as many active jobs as may be.
func (s *Server) enter(ctx context.Context, spec *job.Spec, keyed bool) (leave func(), err error) {
	most := s.cfg.maxActive(spec.Owner, spec.Lane)
	if most == 0 {
		return func() {}, nil
	}
	t := s.underway.enter(spec.Owner, spec.ID)
	if err := s.admit(ctx, t, most, keyed); err != nil {
		s.underway.leave(t)
		return nil, err
	}
	return func() { s.underway.leave(t) }, nil
}

// admit refuses a submission whose owner has as many active jobs as may be, unless it is a repeated one.
func (s *Server) admit(ctx context.Context, t *ticket, most int, keyed bool) error {
	active := s.underway.ahead(t)
	queued, err := s.deps.Queue.OwnerIDs(ctx, t.owner)
	if err != nil {
		return err
	}
	if countWith(active, queued, t.id) < most || slices.Contains(queued, t.id) {
		return nil
	}
	// A job that has just ended is in the queue until it is settled, and whoever was told of its end may be quicker.
	active = s.underway.ahead(t)
	snaps, err := s.deps.Jobs.Active(ctx, t.owner)
	if err != nil {
		return err
	}
	ids := make([]string, len(snaps))
	for i, snap := range snaps {
		ids[i] = snap.Spec.ID
	}
	if countWith(active, ids, t.id) < most {
		return nil
	}
	if keyed {
		_, err := s.deps.Store.RecordLeader(ctx, t.owner, t.id)
		if !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	return &problem{
		code: codeTooManyActive, retryAfter: retryActive, args: map[string]string{"max": strconv.Itoa(most)},
		extra: map[string]any{"retry_after": retryActive},
	}
}

// countWith adds ids to a set and returns how many there are beside own.
func countWith(set map[string]bool, ids []string, own string) int {
	for _, id := range ids {
		set[id] = true
	}
	delete(set, own)
	return len(set)
}
