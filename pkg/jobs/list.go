package jobs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Filter selects the jobs to list.
type Filter struct {
	Kinds    []job.Kind
	Statuses []job.Status
	// Text selects jobs whose prompt or text, or improved prompt, contains it, in upper or lower case.
	Text string
	// Tags selects jobs that have all of them.
	Tags []string
	// CreatedAfter and CreatedBefore, unless zero, select jobs that were submitted after and before them.
	CreatedAfter, CreatedBefore time.Time
	// Limit is the maximum number of jobs to return, at least one.
	Limit int
	// After continues after the last job of an earlier page; the zero Position starts at the newest job.
	After Position
}

// Position is the position of a job in its owner's history, which is ordered by time of submission, newest first.
type Position struct {
	CreatedAt time.Time
	ID        string
}

// positionOf returns the position of a job. The time in its id takes precedence, as in history, so that both always agree.
func positionOf(spec *job.Spec) Position {
	if created, ok := createdAt(spec.ID); ok {
		return Position{CreatedAt: created, ID: spec.ID}
	}
	return Position{CreatedAt: spec.CreatedAt.Time, ID: spec.ID}
}

func comparePositions(a, b Position) int {
	if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
		return c
	}
	return strings.Compare(b.ID, a.ID)
}

// Page is a page of an owner's history.
type Page struct {
	Jobs []*job.Snapshot
	// Next is where the next page starts; nil on the last page. A page may be short, or empty, and not the last.
	Next *Position
}

const (
	// readAtOnce is how many jobs of a history are read with one request per bucket.
	readAtOnce = 100
	// readPerPage bounds how many jobs are read for one page, so that a search for a rare text does not read a whole history.
	readPerPage = 1000
)

// listed is a job of a list.
type listed struct {
	Position
	owner string
}

// List returns a page of the history of owners. It costs two requests per owner to list the jobs, whatever their number, and up to
// three for each hundred jobs that are read, which are at most a thousand, and each owner among them. The time of a job with an
// idempotency key, which its id does not have, is read once by each process.
func (s *Service) List(ctx context.Context, owners []string, f Filter) (*Page, error) {
	all, ended, err := s.history(ctx, owners)
	if err != nil {
		return nil, err
	}
	if f.After.ID != "" {
		start, found := slices.BinarySearchFunc(all, f.After, func(l listed, p Position) int { return comparePositions(l.Position, p) })
		if found {
			start++
		}
		all = all[start:]
	}
	all = f.between(all)
	page := &Page{Jobs: []*job.Snapshot{}}
	if len(all) > readPerPage {
		all = all[:readPerPage]
		page.Next = &all[readPerPage-1].Position
	}
	f.Text = foldText(f.Text)
	var last *Position // of the page so far
	for part := range slices.Chunk(all, readAtOnce) {
		snaps, err := s.readListed(ctx, part, ended)
		if err != nil {
			return nil, err
		}
		for i := range part {
			snap := snaps[part[i].ID]
			if snap == nil || !f.matches(snap) {
				continue
			}
			if len(page.Jobs) == max(1, f.Limit) {
				page.Next = last
				return page, nil
			}
			page.Jobs = append(page.Jobs, snap)
			last = &part[i].Position
		}
	}
	return page, nil
}

// readListed reads the listed jobs, and returns those that still exist by id.
func (s *Service) readListed(ctx context.Context, part []listed, ended map[string]bool) (map[string]*job.Snapshot, error) {
	ids := make(map[string][]string, 1)
	for _, l := range part {
		ids[l.owner] = append(ids[l.owner], l.ID)
	}
	found := make(map[string]*job.Snapshot, len(part))
	for owner, ids := range ids {
		snaps, err := s.readMany(ctx, owner, ids, ended)
		if err != nil {
			return nil, err
		}
		for _, snap := range snaps {
			s.created.put(owner, snap.Spec) // Through another process, the key of a deleted job may have been used again.
			found[snap.Spec.ID] = snap
		}
	}
	return found, nil
}

// matches reports whether a job passes the filter, whose Text must be folded.
func (f Filter) matches(s *job.Snapshot) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, s.Spec.Kind)) &&
		(len(f.Statuses) == 0 || slices.Contains(f.Statuses, s.Status())) &&
		s.Spec.HasTags(f.Tags) &&
		(f.Text == "" || containsText(s, f.Text))
}

// between returns the part of a history, newest first, that was submitted in the time of the filter.
func (f Filter) between(all []listed) []listed {
	if !f.CreatedBefore.IsZero() {
		i := slices.IndexFunc(all, func(l listed) bool { return l.CreatedAt.Before(f.CreatedBefore) })
		if i < 0 {
			return nil
		}
		all = all[i:]
	}
	if !f.CreatedAfter.IsZero() {
		if i := slices.IndexFunc(all, func(l listed) bool { return !l.CreatedAt.After(f.CreatedAfter) }); i >= 0 {
			all = all[:i]
		}
	}
	return all
}

// Any reports whether an owner has jobs or uploads, or had one until shortly ago. It costs up to three requests.
func (s *Service) Any(ctx context.Context, owner string) (bool, error) {
	ids, err := s.queue.OwnerIDs(ctx, owner)
	if err == nil && len(ids) == 0 {
		ids, err = s.store.OwnerIDs(ctx, owner)
	}
	if err == nil && len(ids) == 0 {
		ids, err = s.store.UploadIDs(ctx, owner)
	}
	return len(ids) > 0, err
}

// Active returns all jobs of an owner that have not ended.
func (s *Service) Active(ctx context.Context, owner string) ([]*job.Snapshot, error) {
	ids, err := s.queue.OwnerIDs(ctx, owner)
	if err != nil {
		return nil, err
	}
	var active []*job.Snapshot
	for part := range slices.Chunk(ids, readAtOnce) {
		snaps, err := s.readMany(ctx, owner, part, nil)
		if err != nil {
			return nil, err
		}
		for _, snap := range snaps {
			if snap.Record == nil {
				active = append(active, snap)
			}
		}
	}
	return active, nil
}

// maxEndedSince is how many jobs EndedSince returns.
const maxEndedSince = 1000

// EndedSince returns the jobs of an owner whose end was stored since a time, the first ones if there are more than a thousand. It costs
// one request, which any replica may answer: the latest may be missing.
func (s *Service) EndedSince(ctx context.Context, owner string, since time.Time) ([]*job.Snapshot, error) {
	records, err := s.store.RecordsSince(ctx, owner, since, maxEndedSince)
	if err != nil {
		return nil, err
	}
	snaps := make([]*job.Snapshot, len(records))
	for i, r := range records {
		snaps[i] = &job.Snapshot{Spec: r.Spec, Record: r}
	}
	return snaps, nil
}

// history returns all jobs of owners, newest first, and the set of those that have ended according to the leader.
func (s *Service) history(ctx context.Context, owners []string) (all []listed, ended map[string]bool, err error) {
	ended = make(map[string]bool)
	for _, owner := range owners {
		if all, err = s.addHistory(ctx, owner, all, ended); err != nil {
			return nil, nil, err
		}
	}
	slices.SortFunc(all, func(a, b listed) int { return comparePositions(a.Position, b.Position) })
	return all, ended, nil
}

// addHistory adds the jobs of an owner to a history.
func (s *Service) addHistory(ctx context.Context, owner string, all []listed, ended map[string]bool) ([]listed, error) {
	// The queue is read first: a job that is settled in between is then in at least one of the lists.
	queued, err := s.queue.OwnerIDs(ctx, owner)
	if err != nil {
		return nil, err
	}
	stored, err := s.store.OwnerIDs(ctx, owner)
	if err != nil {
		return nil, err
	}
	for _, id := range stored {
		ended[id] = true
	}
	ids := append(stored, queued...)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	all = slices.Grow(all, len(ids))
	var undated []string
	for _, id := range ids {
		created, ok := createdAt(id)
		if !ok {
			created, ok = s.created.get(owner, id)
		}
		if ok {
			all = append(all, listed{Position{CreatedAt: created, ID: id}, owner})
		} else {
			undated = append(undated, id)
		}
	}
	for part := range slices.Chunk(undated, readAtOnce) {
		snaps, err := s.readMany(ctx, owner, part, ended)
		if err != nil {
			return nil, err
		}
		for _, snap := range snaps {
			s.created.put(owner, snap.Spec)
			all = append(all, listed{positionOf(snap.Spec), owner})
		}
	}
	return all, nil
}

// createdAt returns the time of submission from an id that is a UUIDv7. The id of a keyed job has no time.
func createdAt(id string) (time.Time, bool) {
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 {
		return time.Time{}, false
	}
	seconds, nanoseconds := u.Time().UnixTime()
	return time.Unix(seconds, nanoseconds).UTC().Truncate(time.Millisecond), true
}

// creationTimes holds the times of submission of jobs whose ids do not have them, so that a list does not read each job again.
type creationTimes struct {
	mu    sync.Mutex
	times map[[2]string]time.Time
}

// maxCreationTimes bounds creationTimes, to about 4 MB.
const maxCreationTimes = 20_000

func (c *creationTimes) get(owner, id string) (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.times[[2]string{owner, id}]
	return t, ok
}

func (c *creationTimes) forget(owner, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.times, [2]string{owner, id})
}

func (c *creationTimes) put(owner string, spec *job.Spec) {
	if _, ok := createdAt(spec.ID); ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.times == nil || len(c.times) == maxCreationTimes {
		c.times = make(map[[2]string]time.Time)
	}
	c.times[[2]string{owner, spec.ID}] = spec.CreatedAt.Time
}

// readMany reads jobs of an owner and returns them in the given order, without those that no longer exist. It costs three
// requests, and more for each job that was not found, or that is in ended though the replica has no record of it: a replica may
// be behind.
func (s *Service) readMany(ctx context.Context, owner string, ids []string, ended map[string]bool) ([]*job.Snapshot, error) {
	records, err := s.store.Records(ctx, owner, ids)
	if err != nil {
		return nil, err
	}
	var open []string
	for _, id := range ids {
		if records[id] == nil {
			open = append(open, id)
		}
	}
	progresses, err := s.store.Progresses(ctx, owner, open)
	if err != nil {
		return nil, err
	}
	entries, err := s.queue.FindMany(ctx, owner, open)
	if err != nil {
		return nil, err
	}
	snaps := make([]*job.Snapshot, 0, len(ids))
	for _, id := range ids {
		var snap *job.Snapshot
		var err error
		switch r, e := records[id], entries[id]; {
		case r != nil:
			snap = &job.Snapshot{Spec: r.Spec, Record: r}
		case e != nil && !ended[id]:
			snap, err = s.expireIfStored(ctx, &job.Snapshot{Spec: e.Spec, Progress: progresses[id], Sequence: e.Sequence})
		default:
			snap, err = s.Read(ctx, []string{owner}, id)
		}
		if errors.Is(err, ErrNotFound) || errors.Is(err, job.ErrNewer) {
			continue
		}
		if err != nil {
			return nil, err
		}
		snaps = append(snaps, snap)
	}
	return snaps, nil
}
