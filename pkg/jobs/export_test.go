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
	StepRemoveTombstone = stepRemoveTombstone
	StepPush            = stepPush
	StepDeletable       = stepDeletable
)

// FollowUp puts the dead letter and gives back the quota.
func (s *Service) FollowUp(ctx context.Context, r *job.Record, detail string) error {
	return s.followUp(ctx, r, detail)
}

// Grace is how long the sweeper leaves a late job to its worker.
const Grace = sweepGrace

// RetryAfter is how long the sweeper leaves a job alone that it could not end.
const RetryAfter = retryAfter

// SetNow replaces the service's clock.
func (s *Service) SetNow(now func() time.Time) { s.now = now }

// SetAfter has f called after each step; its error stops the service there, as a crash would.
func (s *Service) SetAfter(f func(Step) error) { s.after = f }

// Deadlines holds the deadlines of the queue.
type Deadlines struct{ t deadlines }

// Fit starts over if necessary, and returns the sequence from which the queue is to be read.
func (t *Deadlines) Fit(e queue.Extent) uint64 {
	t.t.fit(e)
	return t.t.next
}

// Add adds a job.
func (t *Deadlines) Add(sequence uint64, deadline time.Time) {
	t.t.add(sequence, deadline)
	t.t.next = sequence + 1
}

// Take removes late jobs and returns their sequences.
func (t *Deadlines) Take(until time.Time, limit int) []uint64 {
	var sequences []uint64
	for _, d := range t.t.take(until, limit) {
		sequences = append(sequences, d.sequence)
	}
	return sequences
}

// Fail keeps a job for later.
func (t *Deadlines) Fail(sequence uint64, deadline time.Time) { t.t.fail(entry{sequence, deadline}) }

// RetryFailed adds the failed jobs again.
func (t *Deadlines) RetryFailed(rest time.Duration) { t.t.retryFailed(rest) }

// Len is how many jobs are remembered.
func (t *Deadlines) Len() int { return len(t.t.heap) }

// Outlive keeps an end going after its caller has disconnected.
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
