package jobs

import (
	"context"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// The unexported steps.
const (
	StepRemoveTombstone = stepRemoveTombstone
	StepPush            = stepPush
	StepDeletable       = stepDeletable
	StepSettling        = stepSettling
)

// FollowUp stores the dead letter, refunds the quota and counts the cost.
func (s *Service) FollowUp(ctx context.Context, r *job.Record, detail string) error {
	return s.followUp(ctx, r, detail, false)
}

// Grace is how long the sweeper waits for the worker of an expired job.
const Grace = sweepGrace

// RetryAfter is when the sweeper retries a job that it could not end.
const RetryAfter = retryAfter

// SetNow replaces the service's clock.
func (s *Service) SetNow(now func() time.Time) { s.now = now }

// SetAfter sets a function that is called after each step; its error stops the service there, as a crash would.
func (s *Service) SetAfter(f func(Step) error) { s.after = f }

// SetInterval sets how often the sweeper looks for jobs past their deadline.
func (s *Sweeper) SetInterval(d time.Duration) { s.interval = d }

// SetReading sets after how long a sweep leaves the rest of the queue to the next one.
func (s *Sweeper) SetReading(d time.Duration) { s.reading = d }

// SetHold sets how long the lease is valid after its last renewal.
func (s *Sweeper) SetHold(d time.Duration) { s.hold = d }

// WasBusy reports whether the service has ever been busy.
func (s *Service) WasBusy() bool { return s.burst.busyAt.Load() > 0 }

// OpenSubmissions returns the number of submissions that are in progress.
func (s *Service) OpenSubmissions() int { return int(s.burst.open.Load()) }

// Deadlines holds the deadlines of the queue.
type Deadlines struct{ t deadlines }

// Fit starts over if necessary and returns the sequence from which to scan the queue.
func (t *Deadlines) Fit(e queue.Extent) uint64 {
	t.t.fit(e)
	return t.t.next
}

// Add adds a job.
func (t *Deadlines) Add(sequence uint64, deadline time.Time) {
	t.t.add(sequence, deadline)
	t.t.next = sequence + 1
}

// Take removes expired jobs and returns their sequences.
func (t *Deadlines) Take(until time.Time, limit int) []uint64 {
	var sequences []uint64
	for _, d := range t.t.take(until, limit) {
		sequences = append(sequences, d.sequence)
	}
	return sequences
}

// Fail keeps a job that could not be ended.
func (t *Deadlines) Fail(sequence uint64, deadline time.Time) { t.t.fail(entry{sequence, deadline}) }

// RetryFailed adds the failed jobs again.
func (t *Deadlines) RetryFailed(after time.Duration) { t.t.retryFailed(after) }

// Learn adds jobs that need not be read.
func (t *Deadlines) Learn(sequences ...uint64) {
	var pushed []entry
	for _, sequence := range sequences {
		pushed = append(pushed, entry{sequence: sequence})
	}
	t.t.learn(pushed)
}

// Unknown returns the sequences that have to be read, up to last, as if they were.
func (t *Deadlines) Unknown(last uint64) (sequences []uint64) {
	for {
		from, to, found := t.t.unknown(last)
		if !found {
			return sequences
		}
		for ; from <= to; from++ {
			sequences = append(sequences, from)
		}
		t.t.next = to + 1
	}
}

// Len returns the number of jobs.
func (t *Deadlines) Len() int { return len(t.t.heap) }

// Outlive is outlive.
var Outlive = outlive

// Inflight returns how many owners have submissions in progress.
func (s *Submitter) Inflight() int {
	s.inflight.mu.Lock()
	defer s.inflight.mu.Unlock()
	n := 0
	for _, own := range s.inflight.byOwner {
		if len(own.inProgress) > 0 {
			n++
		}
	}
	return n
}

// Counts returns of how many owners something is kept.
func (s *Submitter) Counts() int {
	s.inflight.mu.Lock()
	defer s.inflight.mu.Unlock()
	return len(s.inflight.byOwner)
}

// QuotaKey returns the names of the counters of a caller in a group.
func QuotaKey(secret []byte, caller Caller, group quota.Group) quota.Key {
	return newNames(secret).quotaKey(caller, group)
}
