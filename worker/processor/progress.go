package processor

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// update changes the progress of the running attempt. When somebody else has the job the attempt is stale and is
// broken off. NATS being away for a moment does not matter: progress is advisory.
func (a *attempt) update(ctx context.Context, change func(*job.Progress)) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := *a.progress
	change(&next)
	next.Step++
	err := a.put(ctx, &next)
	if errors.Is(err, store.ErrConflict) {
		err = a.reclaim(ctx, &next)
	}
	switch {
	case err == nil:
		return nil
	case isGone(err):
		a.cancel(err)
		return err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	change(a.progress)
	return nil
}

// put stores next in place of what this attempt stored last.
func (a *attempt) put(ctx context.Context, next *job.Progress) error {
	ctx, cancel := context.WithTimeout(ctx, a.processor.cfg.writeTimeout(0))
	defer cancel()
	revision, err := a.processor.store.PutProgress(ctx, a.spec.Owner, next, a.revision)
	if err == nil {
		a.progress, a.revision = next, revision
	}
	return err
}

// reclaim stores next after a refusal, unless somebody else has the job. What stands in the way may be this attempt's
// own write whose answer was lost, or nothing at all: the progress lies in memory and NATS may have been restarted.
func (a *attempt) reclaim(ctx context.Context, next *job.Progress) error {
	current, revision, err := a.fromLeader(ctx)
	if err != nil {
		return err
	}
	switch {
	case current == nil:
		// It is dropped, too, when the job has ended.
		if _, err := a.processor.store.RecordLeader(ctx, a.spec.Owner, a.spec.ID); !errors.Is(err, store.ErrNotFound) {
			if err == nil {
				err = errEnded
			}
			return err
		}
	case !a.owns(current):
		return errStale
	default:
		next.Step = max(next.Step, current.Step+1)
	}
	a.revision = revision
	err = a.put(ctx, next)
	if errors.Is(err, store.ErrConflict) {
		return errStale
	}
	return err
}

// owns reports whether a progress was stored by this very attempt.
func (a *attempt) owns(p *job.Progress) bool {
	return p.Worker == a.processor.id && p.Delivery == a.delivery.Count
}
