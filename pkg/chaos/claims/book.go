// Package claims keeps what clients were told about their jobs, and finds where two claims cannot both be true: a job that
// was accepted and is gone, one that ended twice or differently, one key with two jobs.
package claims

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
	// Name is in the job's text, so that its calls to an upstream can be found.
	Name string
	// Key is the idempotency key; empty for a job without one.
	Key string
	// Least is how many upstream calls the job needs.
	Least int
	// Accepted is when the client learnt of it.
	Accepted time.Time
	// End is how the job ended, as the first client saw it; nil before that.
	End *View
	// EndSeen is when that was.
	EndSeen time.Time
	// Deleting says that a deletion was asked for, Deleted that it was confirmed.
	Deleting, Deleted bool
	// missed and changed say that the job was entered as missing, or as ended twice; once is enough.
	missed, changed bool
}

// Book is the ledger of claims. It is safe for concurrent use.
type Book struct {
	mu       sync.Mutex
	jobs     map[string]*Job
	keys     map[string]string
	faults   []string
	backward int
}

// NewBook returns an empty ledger.
func NewBook() *Book {
	return &Book{jobs: make(map[string]*Job), keys: make(map[string]string)}
}

// Fault enters a violation found elsewhere.
func (b *Book) Fault(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault(format, args...)
}

func (b *Book) fault(format string, args ...any) {
	b.faults = append(b.faults, time.Now().UTC().Format("15:04:05.000")+" "+fmt.Sprintf(format, args...))
}

// Accept enters a job that a client was told is accepted. That the same key brings another job, or that two submissions
// without a key bring the same one, is a violation.
func (b *Book) Accept(j Job) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if j.Key != "" {
		if first, ok := b.keys[j.Key]; ok && first != j.ID {
			b.fault("two jobs for one key: %s and %s (%s)", first, j.ID, j.Name)
			return
		}
		b.keys[j.Key] = j.ID
	}
	if known, ok := b.jobs[j.ID]; ok {
		if j.Key == "" || known.Key != j.Key {
			b.fault("one job for two submissions: %s (%s and %s)", j.ID, known.Name, j.Name)
		}
		return
	}
	j.Accepted = time.Now()
	b.jobs[j.ID] = &j
}

// See enters what a client saw of a job, with the moment at which it asked; the zero moment when it did not ask but was
// told. How a job ended must be the same each time, and whoever asks afterwards must not be told that it goes on: that is
// counted as a step backward.
func (b *Book) See(asked time.Time, v *View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.jobs[v.ID]
	switch {
	case j == nil:
		// Its submission is answered at this moment, or the answer was lost.
	case v.Ended() && j.End == nil:
		j.End, j.EndSeen = v, time.Now()
	case v.Ended() && v.end() != j.End.end() && !j.changed:
		j.changed = true
		b.fault("job ended twice: %s (%s)\n    first  %s\n    then   %s", j.ID, j.Name, j.End.end(), v.end())
	case v.Ended():
	case j.End != nil && !asked.IsZero() && asked.After(j.EndSeen):
		b.backward++
	}
}

// Miss enters that a client asked for an accepted job and was told that there is none. Only the deletion of the job
// excuses that.
func (b *Book) Miss(asked time.Time, id, where string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.jobs[id]
	if j == nil || j.Deleting || j.missed || !asked.After(j.Accepted) {
		return
	}
	j.missed = true
	b.fault("job missing: %s (%s), %s", j.ID, j.Name, where)
}

// Listed enters a whole list of an owner's jobs and the moment at which it was asked for. What was accepted before, and is
// not being deleted, must be in it.
func (b *Book) Listed(asked time.Time, owner string, ids []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	listed := make(map[string]bool, len(ids))
	for _, id := range ids {
		if listed[id] {
			b.fault("job listed twice: %s", id)
		}
		listed[id] = true
	}
	for id, j := range b.jobs {
		if j.Owner == owner && asked.After(j.Accepted) && !j.Deleting && !j.missed && !listed[id] {
			j.missed = true
			b.fault("job missing: %s (%s), in its owner's list", id, j.Name)
		}
	}
}

// Deleting enters that a deletion was asked for; from now on the job may be gone.
func (b *Book) Deleting(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if j := b.jobs[id]; j != nil {
		j.Deleting = true
	}
}

// Deleted enters that a deletion was confirmed.
func (b *Book) Deleted(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if j := b.jobs[id]; j != nil {
		j.Deleting, j.Deleted = true, true
	}
}

// Ended reports whether some client saw the end of a job.
func (b *Book) Ended(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	j := b.jobs[id]
	return j != nil && j.End != nil
}

// Jobs returns all accepted jobs, in the order of their names.
func (b *Book) Jobs() []Job {
	b.mu.Lock()
	defer b.mu.Unlock()
	jobs := make([]Job, 0, len(b.jobs))
	for _, j := range b.jobs {
		jobs = append(jobs, *j)
	}
	slices.SortFunc(jobs, func(x, y Job) int { return strings.Compare(x.Name+x.ID, y.Name+y.ID) })
	return jobs
}

// Faults returns every violation so far, in order.
func (b *Book) Faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.faults)
}

// Backward returns how often a client was told that a job goes on whose end had been seen before.
func (b *Book) Backward() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.backward
}
