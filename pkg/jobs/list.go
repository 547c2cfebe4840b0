package jobs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Filter says which jobs to list.
type Filter struct {
	Kinds    []job.Kind
	Statuses []job.Status
	// Limit is the most jobs to return, at least one.
	Limit int
	// After continues after a job of an earlier page; the zero Mark starts at the newest.
	After Position
}

// Position is a job's position in its owner's history, which is ordered by the time of submission, the newest first.
type Position struct {
	CreatedAt time.Time
	ID        string
}

// after reports whether m comes after other in the history.
func (m Position) after(other Position) bool { return comparePositions(m, other) > 0 }

// markOf returns the position of a job. The time in its id takes precedence, as in history, so that both always agree.
func markOf(spec *job.Spec) Position {
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

// Page is a part of an owner's history.
type Page struct {
	Jobs []*job.Snapshot
	// Next continues the history; nil at its end.
	Next *Position
}

// readAtOnce is how many jobs of a history are read with one request per bucket.
const readAtOnce = 100

// List returns a page of an owner's history. It costs two requests to list the jobs, whatever their number, and up to three for
// each hundred jobs that are read.
func (s *Service) List(ctx context.Context, owner string, f Filter) (*Page, error) {
	marks, finished, err := s.history(ctx, owner)
	if err != nil {
		return nil, err
	}
	if f.After.ID != "" {
		start, _ := slices.BinarySearchFunc(marks, f.After, func(m, after Position) int {
			if m.after(after) {
				return 1
			}
			return -1
		})
		marks = marks[start:]
	}
	page := &Page{Jobs: []*job.Snapshot{}}
	for len(marks) > 0 {
		part := marks[:min(readAtOnce, len(marks))]
		marks = marks[len(part):]
		snaps, err := s.readMany(ctx, owner, part, finished)
		if err != nil {
			return nil, err
		}
		for _, snap := range snaps {
			if !f.wants(snap) {
				continue
			}
			if len(page.Jobs) == max(1, f.Limit) {
				next := markOf(page.Jobs[len(page.Jobs)-1].Spec)
				page.Next = &next
				return page, nil
			}
			page.Jobs = append(page.Jobs, snap)
		}
	}
	return page, nil
}

func (f Filter) wants(s *job.Snapshot) bool {
	return (len(f.Kinds) == 0 || slices.Contains(f.Kinds, s.Spec.Kind)) &&
		(len(f.Statuses) == 0 || slices.Contains(f.Statuses, s.Status()))
}

// Active returns every job of an owner that has not ended.
func (s *Service) Active(ctx context.Context, owner string) ([]*job.Snapshot, error) {
	ids, err := s.queue.OwnerIDs(ctx, owner)
	if err != nil {
		return nil, err
	}
	var active []*job.Snapshot
	for part := range slices.Chunk(ids, readAtOnce) {
		marks := make([]Position, len(part))
		for i, id := range part {
			marks[i].ID = id
		}
		snaps, err := s.readMany(ctx, owner, marks, nil)
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

// history returns the positions of all jobs of an owner, the newest first, and which of them have ended according to the
// leader.
func (s *Service) history(ctx context.Context, owner string) ([]Position, map[string]bool, error) {
	// The queue is read first: a job that is settled in between is then in both lists and not in neither.
	queued, err := s.queue.OwnerIDs(ctx, owner)
	if err != nil {
		return nil, nil, err
	}
	ended, err := s.store.OwnerIDs(ctx, owner)
	if err != nil {
		return nil, nil, err
	}
	finished := make(map[string]bool, len(ended))
	for _, id := range ended {
		finished[id] = true
	}
	ids := append(ended, queued...)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	marks := make([]Position, 0, len(ids))
	var dateless []Position
	for _, id := range ids {
		if created, ok := createdAt(id); ok {
			marks = append(marks, Position{CreatedAt: created, ID: id})
		} else {
			dateless = append(dateless, Position{ID: id})
		}
	}
	for part := range slices.Chunk(dateless, readAtOnce) {
		snaps, err := s.readMany(ctx, owner, part, finished)
		if err != nil {
			return nil, nil, err
		}
		for _, snap := range snaps {
			marks = append(marks, markOf(snap.Spec))
		}
	}
	slices.SortFunc(marks, comparePositions)
	return marks, finished, nil
}

// createdAt returns the time of submission, which a UUIDv7 carries. The id of a keyed job carries none, and its job has to be
// read.
func createdAt(id string) (time.Time, bool) {
	u, err := uuid.Parse(id)
	if err != nil || u.Version() != 7 {
		return time.Time{}, false
	}
	seconds, nanoseconds := u.Time().UnixTime()
	return time.Unix(seconds, nanoseconds).UTC().Truncate(time.Millisecond), true
}

// readMany reads jobs of an owner and returns them in the given order, without those that do not exist any more. It costs three
// requests, and some for each job that was found nowhere, or that finished names though the replica has no record of it: a
// replica may be behind.
func (s *Service) readMany(ctx context.Context, owner string, marks []Position, finished map[string]bool) ([]*job.Snapshot, error) {
	ids := make([]string, len(marks))
	for i, m := range marks {
		ids[i] = m.ID
	}
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
		case e != nil && !finished[id]:
			snap, _, err = s.expire(ctx, &job.Snapshot{Spec: e.Spec, Progress: progresses[id], Sequence: e.Sequence})
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
