package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// Submit makes a job durable and returns it. A keyed job, one whose id follows from an idempotency key, and a job whose
// first publish went unanswered may be there already: it is then returned as it stands, with replayed true.
//
// It fails with queue.ErrFull, with queue.ErrUnavailable, and with ErrKeyReused when the job that is there came from
// another request. It costs one acknowledged publish, a keyed one two or three requests more.
func (l *Service) Submit(ctx context.Context, spec *job.Spec, keyed bool) (snap *job.Snapshot, replayed bool, err error) {
	if keyed {
		// A job with this key may have been deleted, and the mark of that must not stand in the way of this one's end.
		if err := l.store.Unfence(ctx, spec.Owner, spec.ID); err != nil {
			return nil, false, err
		}
		if err := l.passed(stepUnfence); err != nil {
			return nil, false, err
		}
	}
	receipt, first, err := l.push(ctx, spec, keyed)
	if err == nil {
		err = l.passed(stepPush)
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
	// Nothing was in the queue, but the job may have been there, been worked and been settled.
	record, deleted, err := l.store.Ended(ctx, spec.Owner, spec.ID)
	if err != nil {
		return nil, false, fmt.Errorf("look for an earlier result: %w", err)
	}
	if record == nil {
		if deleted {
			// The job before this one was deleted just now. Its mark would end this one, which is accepted.
			err = l.store.Unfence(ctx, spec.Owner, spec.ID)
		}
		return fresh, false, err
	}
	ended := &job.Snapshot{Spec: record.Spec, Record: record}
	if spec.SameSubmission(record.Spec) {
		// A quick worker has ended this very job, and needs its message until the last step is done.
		return ended, false, nil
	}
	if err := l.queue.Delete(ctx, receipt.Sequence); err != nil {
		return nil, false, err
	}
	return replay(ended, spec, keyed)
}

const (
	// undecidedPause is the first pause in the wait for another submission that is on its way, and undecidedPauseMax the
	// longest; undecidedTries bounds the wait, to about half a minute.
	undecidedPause    = 50 * time.Millisecond
	undecidedPauseMax = time.Second
	undecidedTries    = 32
)

// push puts a job into the queue, or returns the one with its id that is there already. A cluster refuses a publish as soon
// as another one to the subject is on its way, which nobody can read yet and which may still come to nothing; it is then
// tried again.
func (l *Service) push(ctx context.Context, spec *job.Spec, keyed bool) (receipt queue.Receipt, first *job.Snapshot, err error) {
	for tries := 0; ; tries++ {
		receipt, err = l.queue.Push(ctx, spec, keyed || tries > 0)
		receipt.Repeated = receipt.Repeated || tries > 0
		if err != nil || !receipt.AlreadyThere {
			return receipt, nil, err
		}
		first, err = l.readLeader(ctx, spec.Owner, spec.ID)
		if err == nil {
			return receipt, first, nil
		}
		if !errors.Is(err, ErrNotFound) {
			return receipt, nil, fmt.Errorf("read the job that is there: %w", err)
		}
		if tries == undecidedTries {
			return receipt, nil, fmt.Errorf("%w: another submission of the job is still on its way", queue.ErrUnavailable)
		}
		timer := time.NewTimer(min(undecidedPause<<min(tries, 10), undecidedPauseMax))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return receipt, nil, fmt.Errorf("%w: %w", queue.ErrUnavailable, context.Cause(ctx))
		}
	}
}

func replay(first *job.Snapshot, spec *job.Spec, keyed bool) (*job.Snapshot, bool, error) {
	if first.Spec.Fingerprint != spec.Fingerprint {
		return nil, false, ErrKeyReused
	}
	// A publish that was repeated by ourselves is no replay in the caller's eyes.
	return first, keyed && !spec.SameSubmission(first.Spec), nil
}

// existing returns the job that was made under the key of a spec, nil when there is none. It fails with ErrKeyReused when
// that came from another request, and costs two requests when there is none.
func (l *Service) existing(ctx context.Context, spec *job.Spec) (*job.Snapshot, error) {
	// A job leaves the queue once its record is there, so that one of the two has it.
	_, err := l.queue.FindLeader(ctx, spec.Owner, spec.ID)
	if errors.Is(err, queue.ErrNotFound) {
		_, err = l.store.RecordLeader(ctx, spec.Owner, spec.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	snap, err := l.Read(ctx, []string{spec.Owner}, spec.ID)
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
