package jobs

import (
	"context"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// The steps of a submission and a deletion.
const (
	StepUnfence   = stepUnfence
	StepPush      = stepPush
	StepDeletable = stepDeletable
)

// FollowUp puts the dead letter and gives back the quota.
func (l *Service) FollowUp(ctx context.Context, r *job.Record, detail string) error {
	return l.followUp(ctx, r, detail)
}

// Grace is how long the sweeper leaves a late job to its worker.
const Grace = grace

// Rest is how long the sweeper leaves a job alone that it could not end.
const Rest = sweepRest

// SetNow replaces the service's clock.
func (l *Service) SetNow(now func() time.Time) { l.now = now }

// SetAfter has f called behind each step; its error stops the service there, as a crash would.
func (l *Service) SetAfter(f func(Step) error) { l.after = f }

// Timetable is the sweeper's memory.
type Timetable struct{ t timetable }

// Fit begins anew when that is due, and returns the sequence from which the queue is to be read.
func (t *Timetable) Fit(e queue.Extent) uint64 {
	t.t.fit(e)
	return t.t.next
}

// Add takes down a job.
func (t *Timetable) Add(sequence uint64, deadline time.Time) {
	t.t.add(sequence, deadline)
	t.t.next = sequence + 1
}

// Take removes late jobs and returns their sequences.
func (t *Timetable) Take(until time.Time, limit int) []uint64 {
	var sequences []uint64
	for _, d := range t.t.take(until, limit) {
		sequences = append(sequences, d.sequence)
	}
	return sequences
}

// Fail keeps a job for later.
func (t *Timetable) Fail(sequence uint64, deadline time.Time) { t.t.fail(due{sequence, deadline}) }

// Forgive has the kept jobs looked at again.
func (t *Timetable) Forgive(rest time.Duration) { t.t.forgive(rest) }

// Len is how many jobs are remembered.
func (t *Timetable) Len() int { return len(t.t.dues) }

// Outlive is what keeps an end going once its caller has gone away.
var Outlive = outlive

// Inflight is how many owners have submissions on their way to the queue.
func (s *Submitter) Inflight() int {
	s.inflight.mu.Lock()
	defer s.inflight.mu.Unlock()
	return len(s.inflight.byOwner)
}

// QuotaKey returns the names under which a caller is counted in a group.
func QuotaKey(secret []byte, caller Caller, group quota.Group) quota.Key {
	return newNames(secret).quotaKey(caller, group)
}
