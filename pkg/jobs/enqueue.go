package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// Enqueue stores a job durably and returns it, without the limits of a Submitter. A keyed job, whose id is derived from an
// idempotency key, may exist already, as may a job whose first publish was not answered: the existing job is then returned,
// with replayed true if it comes from an earlier submission.
//
// It fails with queue.ErrFull, queue.ErrUnavailable, and with ErrKeyReused when the existing job was created by another
// request. It costs one acknowledged publish, and for a keyed job two or three more requests.
func (s *Service) Enqueue(ctx context.Context, spec *job.Spec, keyed bool) (snap *job.Snapshot, replayed bool, err error) {
	return s.enqueue(ctx, spec, keyed, keyed)
}

// enqueue is Enqueue, with tombstone set if a deleted job with this id may have left one.
func (s *Service) enqueue(ctx context.Context, spec *job.Spec, keyed, tombstone bool) (snap *job.Snapshot, replayed bool, err error) {
	if tombstone {
		// A job with this key may have been deleted, and its tombstone would prevent this one from ending.
		if err := s.store.RemoveTombstone(ctx, spec.Owner, spec.ID); err != nil {
			return nil, false, err
		}
		if err := s.stepDone(stepRemoveTombstone); err != nil {
			return nil, false, err
		}
	}
	receipt, existing, err := s.push(ctx, spec, keyed)
	if err == nil {
		err = s.stepDone(stepPush)
	}
	if err != nil {
		return nil, false, err
	}
	if existing != nil {
		return replay(existing, spec, keyed)
	}
	created := &job.Snapshot{Spec: spec, Sequence: receipt.Sequence}
	if !keyed && !receipt.Repeated {
		return created, false, nil
	}
	// The job was not in the queue, but it may have been there before and have ended.
	record, deleted, err := s.store.Ended(ctx, spec.Owner, spec.ID)
	if err != nil {
		return nil, false, fmt.Errorf("look for an earlier result: %w", err)
	}
	if record == nil {
		if deleted {
			// The previous job was deleted just now, and its tombstone would prevent this one from ending.
			err = s.store.RemoveTombstone(ctx, spec.Owner, spec.ID)
		}
		return created, false, err
	}
	ended := &job.Snapshot{Spec: record.Spec, Record: record}
	if spec.SameSubmission(record.Spec) {
		// A worker has already ended this very job, and needs the message until it is settled.
		return ended, false, nil
	}
	if err := s.queue.Delete(ctx, receipt.Sequence); err != nil {
		return nil, false, err
	}
	return replay(ended, spec, keyed)
}

const (
	// pendingPause is the first pause while another submission of the job is pending, pendingPauseMax the longest;
	// pendingTries limits the wait to about half a minute.
	pendingPause    = 50 * time.Millisecond
	pendingPauseMax = time.Second
	pendingTries    = 32
)

// push adds a job to the queue, or returns the existing job with its id. A cluster refuses a publish while another one to the
// subject is pending, which cannot be read yet and may still fail; push then retries.
func (s *Service) push(ctx context.Context, spec *job.Spec, keyed bool) (receipt queue.Receipt, existing *job.Snapshot, err error) {
	for tries := 0; ; tries++ {
		receipt, err = s.queue.Push(ctx, spec, keyed || tries > 0)
		receipt.Repeated = receipt.Repeated || tries > 0
		if err == nil && !receipt.AlreadyThere && s.broker.Alone() {
			s.pushed.add(entry{receipt.Sequence, spec.Deadline.Time})
		}
		if err != nil || !receipt.AlreadyThere {
			return receipt, nil, err
		}
		existing, err = s.readLeader(ctx, spec.Owner, spec.ID)
		if err == nil {
			return receipt, existing, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return receipt, nil, fmt.Errorf("read the existing job: %w", err)
		}
		if tries == pendingTries {
			return receipt, nil, fmt.Errorf("%w: another submission of the job is still pending", queue.ErrUnavailable)
		}
		if !lifecycle.Sleep(ctx, min(pendingPause<<min(tries, 10), pendingPauseMax)) {
			return receipt, nil, fmt.Errorf("%w: %w", queue.ErrUnavailable, context.Cause(ctx))
		}
	}
}

// replay returns the existing job of a submission and whether that comes from an earlier one. It fails with ErrKeyReused.
func replay(existing *job.Snapshot, spec *job.Spec, keyed bool) (*job.Snapshot, bool, error) {
	if existing.Spec.Fingerprint != spec.Fingerprint {
		return nil, false, ErrKeyReused
	}
	// A publish that was retried here is no replay for the caller.
	return existing, keyed && !spec.SameSubmission(existing.Spec), nil
}

// existing returns the job with the id of a keyed spec, nil when there is none, and whether such a job was deleted and may have left
// a tombstone. It fails with ErrKeyReused when that job was created by another request, and costs two requests when there is none.
func (s *Service) existing(ctx context.Context, spec *job.Spec) (snap *job.Snapshot, deleted bool, err error) {
	// A job leaves the queue only after its record is stored, so that one of the two has it.
	_, err = s.queue.FindLeader(ctx, spec.Owner, spec.ID)
	if errors.Is(err, queue.ErrNotFound) {
		var record *job.Record
		record, deleted, err = s.store.Ended(ctx, spec.Owner, spec.ID)
		if err == nil && record == nil {
			return nil, deleted, nil
		}
	}
	if err != nil {
		return nil, false, err
	}
	snap, err = s.Read(ctx, []string{spec.Owner}, spec.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, true, nil // It was deleted meanwhile.
	case err != nil:
		return nil, false, err
	case snap.Spec.Fingerprint != spec.Fingerprint:
		return nil, false, ErrKeyReused
	}
	return snap, false, nil
}
