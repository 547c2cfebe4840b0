package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// Enqueue makes a job durable and returns it, without any of the limits of a Submitter. A keyed job, whose id follows from an
// idempotency key, and a job whose first publish went unanswered may exist already: it is then returned as it is, with
// replayed true.
//
// It fails with queue.ErrFull, with queue.ErrUnavailable, and with ErrKeyReused when the existing job came from another
// request. It costs one acknowledged publish, and for a keyed job two or three requests more.
func (s *Service) Enqueue(ctx context.Context, spec *job.Spec, keyed bool) (snap *job.Snapshot, replayed bool, err error) {
	if keyed {
		// A job with this key may have been deleted, and its tombstone would prevent the end of this one.
		if err := s.store.RemoveTombstone(ctx, spec.Owner, spec.ID); err != nil {
			return nil, false, err
		}
		if err := s.passed(stepUnfence); err != nil {
			return nil, false, err
		}
	}
	receipt, first, err := s.push(ctx, spec, keyed)
	if err == nil {
		err = s.passed(stepPush)
	}
	if err != nil {
		return nil, false, err
	}
	if first != nil {
		return replay(first, spec, keyed)
	}
	fresh := &job.Snapshot{Spec: spec, Sequence: receipt.Sequence}
	if !keyed && !receipt.Repeated {
		return fresh, false, nil
	}
	// The queue had no such job, but it may have been there before and be settled.
	record, deleted, err := s.store.Ended(ctx, spec.Owner, spec.ID)
	if err != nil {
		return nil, false, fmt.Errorf("look for an earlier result: %w", err)
	}
	if record == nil {
		if deleted {
			// The previous job was deleted just now. Its tombstone would end this one, which is accepted.
			err = s.store.RemoveTombstone(ctx, spec.Owner, spec.ID)
		}
		return fresh, false, err
	}
	ended := &job.Snapshot{Spec: record.Spec, Record: record}
	if spec.SameSubmission(record.Spec) {
		// A quick worker has ended this very job, and needs the message until the settlement is complete.
		return ended, false, nil
	}
	if err := s.queue.Delete(ctx, receipt.Sequence); err != nil {
		return nil, false, err
	}
	return replay(ended, spec, keyed)
}

const (
	// pendingPause is the first pause while another submission of the job is pending, and pendingPauseMax the longest;
	// pendingTries bounds the wait, to about half a minute.
	pendingPause    = 50 * time.Millisecond
	pendingPauseMax = time.Second
	pendingTries    = 32
)

// push puts a job into the queue, or returns the one with its id that is there already. A cluster refuses a publish as soon
// as another one to the subject is pending, which nobody can read yet and which may still fail; it is then retried.
func (s *Service) push(ctx context.Context, spec *job.Spec, keyed bool) (receipt queue.Receipt, first *job.Snapshot, err error) {
	for tries := 0; ; tries++ {
		receipt, err = s.queue.Push(ctx, spec, keyed || tries > 0)
		receipt.Repeated = receipt.Repeated || tries > 0
		if err != nil || !receipt.AlreadyThere {
			return receipt, nil, err
		}
		first, err = s.readLeader(ctx, spec.Owner, spec.ID)
		if err == nil {
			return receipt, first, nil
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

// replay returns the job of an earlier submission.
func replay(first *job.Snapshot, spec *job.Spec, keyed bool) (*job.Snapshot, bool, error) {
	if first.Spec.Fingerprint != spec.Fingerprint {
		return nil, false, ErrKeyReused
	}
	// A publish that was retried here is no replay for the caller.
	return first, keyed && !spec.SameSubmission(first.Spec), nil
}

// existing returns the job that was made under the key of a spec, nil when there is none. It fails with ErrKeyReused when
// that came from another request, and costs two requests when there is none.
func (s *Service) existing(ctx context.Context, spec *job.Spec) (*job.Snapshot, error) {
	// A job leaves the queue after its record is stored, so that one of the two has it.
	_, err := s.queue.FindLeader(ctx, spec.Owner, spec.ID)
	if errors.Is(err, queue.ErrNotFound) {
		_, err = s.store.RecordLeader(ctx, spec.Owner, spec.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	snap, err := s.Read(ctx, []string{spec.Owner}, spec.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, nil // It was deleted meanwhile.
	case err != nil:
		return nil, err
	case snap.Spec.Fingerprint != spec.Fingerprint:
		return nil, ErrKeyReused
	}
	return snap, nil
}
