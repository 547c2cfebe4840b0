// Package model records the responses that clients received about their jobs and reports where two of them contradict each
// other: an accepted job that is missing, one that ended twice or with different outcomes, one key with two jobs.
package model

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Job is an accepted job.
type Job struct {
	ID, Owner, Kind string
	// Name is part of the job's text, which identifies its upstream calls.
	Name string
	// Key is the idempotency key, if any.
	Key string
	// MinCalls is how many upstream calls the job needs.
	MinCalls int
	// Accepted is when the client received the response.
	Accepted time.Time
	// End is the finished job as the first client read it; nil before that.
	End *View
	// EndSeen is the time of that response.
	EndSeen time.Time
	// Deleting reports that a deletion was requested, Deleted that it was confirmed.
	Deleting, Deleted bool
	// canceled reports that a cancel was confirmed.
	canceled bool
	// endLost reports that a power failure has removed the end, at lostAt, so that the job ends again.
	endLost bool
	lostAt  time.Time
	// reportedMissing and reportedChanged avoid repeated violations.
	reportedMissing, reportedChanged bool
}

// Model records jobs and responses. It is safe for concurrent use.
type Model struct {
	mu         sync.Mutex
	jobs       map[string]*Job
	keys       map[string]string
	violations []string
	staleReads int
	takenBack  int
}

// New returns an empty Model.
func New() *Model {
	return &Model{jobs: make(map[string]*Job), keys: make(map[string]string)}
}

// Violation adds a violation found elsewhere.
func (m *Model) Violation(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.violation(format, args...)
}

func (m *Model) violation(format string, args ...any) {
	m.violations = append(m.violations, time.Now().UTC().Format("15:04:05.000")+" "+fmt.Sprintf(format, args...))
}

// Accept records an accepted job. It is a violation if the same key led to another job, or if two submissions without a
// key led to the same one.
func (m *Model) Accept(j Job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j.Key != "" {
		if first, ok := m.keys[j.Key]; ok && first != j.ID {
			m.violation("two jobs for one key: %s and %s (%s)", first, j.ID, j.Name)
			return
		}
		m.keys[j.Key] = j.ID
	}
	if known, ok := m.jobs[j.ID]; ok {
		if j.Key == "" || known.Key != j.Key {
			m.violation("one job for two submissions: %s (%s and %s)", j.ID, known.Name, j.Name)
		}
		return
	}
	j.Accepted = time.Now()
	m.jobs[j.ID] = &j
}

// Observe records a job as a client read it. The time of the request is zero for events, which have none. All finished
// versions of a job must be equal. A request sent after the end was seen that still reads an unfinished job counts as a
// stale read.
func (m *Model) Observe(requested time.Time, v *View) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j := m.jobs[v.ID]
	switch {
	case j == nil:
		// The response to its submission is still on its way, or was lost.
	case v.Ended() && j.End == nil:
		j.End, j.EndSeen = v, time.Now()
		// A response of before the power failure may be late.
		j.endLost = j.endLost && !requested.After(j.lostAt)
	case v.Ended() && j.endLost && (requested.After(j.lostAt) || v.final() != j.End.final()):
		j.End, j.EndSeen, j.endLost = v, time.Now(), false
	case v.Ended() && v.final() != j.End.final() && !j.reportedChanged:
		j.reportedChanged = true
		m.violation("job ended twice: %s (%s)\n    first  %s\n    then   %s", j.ID, j.Name, j.End.final(), v.final())
	case v.Ended():
	case j.End != nil && !j.endLost && !requested.IsZero() && requested.After(j.EndSeen):
		m.staleReads++
	}
}

// Canceled records that a cancel was confirmed to a request that was sent at that time.
func (m *Model) Canceled(requested time.Time, id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j := m.jobs[id]
	if j == nil {
		return
	}
	j.canceled = true
	if requested.Before(j.lostAt) {
		m.violation("confirmed cancel lost: %s (%s)", j.ID, j.Name)
	}
}

// LoseEnds records that a power failure has removed the ends of jobs. Clients may have seen them, but a confirmed cancel must
// not be among them.
func (m *Model) LoseEnds(ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range ids {
		j := m.jobs[id]
		if j == nil || j.Deleting {
			// What was removed of a job that is being deleted is the mark of its deletion.
			continue
		}
		if j.canceled {
			m.violation("confirmed cancel lost: %s (%s)", j.ID, j.Name)
		}
		if j.End != nil && !j.endLost {
			m.takenBack++
		}
		j.endLost, j.lostAt = true, time.Now()
	}
}

// Current reports whether a finished job as a client has read it is still the one that is stored.
func (m *Model) Current(v *View) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	j := m.jobs[v.ID]
	return j == nil || j.End == nil || !j.endLost && j.End.final() == v.final()
}

// NotFound records a 404 for a job. That is a violation if the job had been accepted before and is not being deleted.
func (m *Model) NotFound(requested time.Time, id, where string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	j := m.jobs[id]
	if j == nil || j.Deleting || j.reportedMissing || !requested.After(j.Accepted) {
		return
	}
	j.reportedMissing = true
	m.violation("job missing: %s (%s), %s", j.ID, j.Name, where)
}

// Listed records a complete list of an owner's jobs and the time of the request. All jobs accepted before and not being
// deleted must be in it.
func (m *Model) Listed(requested time.Time, owner string, ids []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	listed := make(map[string]bool, len(ids))
	for _, id := range ids {
		if listed[id] {
			m.violation("job listed twice: %s", id)
		}
		listed[id] = true
	}
	for id, j := range m.jobs {
		if j.Owner == owner && requested.After(j.Accepted) && !j.Deleting && !j.reportedMissing && !listed[id] {
			j.reportedMissing = true
			m.violation("job missing: %s (%s), in its owner's list", id, j.Name)
		}
	}
}

// Deleting records that a deletion was requested; from now on the job may be missing.
func (m *Model) Deleting(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.jobs[id]; j != nil {
		j.Deleting = true
	}
}

// Deleted records that a deletion was confirmed.
func (m *Model) Deleted(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if j := m.jobs[id]; j != nil {
		j.Deleting, j.Deleted = true, true
	}
}

// Jobs returns all accepted jobs, sorted by name.
func (m *Model) Jobs() []Job {
	m.mu.Lock()
	defer m.mu.Unlock()
	jobs := make([]Job, 0, len(m.jobs))
	for _, j := range m.jobs {
		jobs = append(jobs, *j)
	}
	slices.SortFunc(jobs, func(x, y Job) int { return strings.Compare(x.Name+x.ID, y.Name+y.ID) })
	return jobs
}

// Violations returns all violations so far, in order.
func (m *Model) Violations() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.violations)
}

// TakenBack returns how many ends a client had seen when a power failure removed them.
func (m *Model) TakenBack() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.takenBack
}

// StaleReads returns how often a client read a job as unfinished after its end had been seen.
func (m *Model) StaleReads() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.staleReads
}
