package processor

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// update changes the progress of the running attempt. When somebody else has the job the attempt is stale and is
// broken off. NATS being away for a moment does not matter: progress is advisory.
//
// Updates are written one after the other. They wait for each other and for NATS without holding the attempt's mutex,
// which the heartbeat needs.
func (a *attempt) update(ctx context.Context, change func(*job.Progress)) error {
	select {
	case a.updating <- struct{}{}:
		defer func() { <-a.updating }()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	a.mu.Lock()
	next := *a.progress
	a.mu.Unlock()
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
	// It could not be stored; the next update carries it.
	a.mu.Lock()
	next.Step = a.progress.Step
	a.progress = &next
	a.mu.Unlock()
	return nil
}

// put stores next in place of what this attempt stored last. Only the holder of a.updating calls it.
func (a *attempt) put(ctx context.Context, next *job.Progress) error {
	ctx, cancel := context.WithTimeout(ctx, a.processor.cfg.writeTimeout(0))
	defer cancel()
	a.mu.Lock()
	last := a.revision
	a.mu.Unlock()
	revision, err := a.processor.store.PutProgress(ctx, a.spec.Owner, next, last)
	if err == nil {
		a.mu.Lock()
		a.progress, a.revision = next, revision
		a.mu.Unlock()
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
		if err := a.notEnded(ctx); err != nil {
			return err
		}
	case !a.owns(current):
		return errStale
	default:
		next.Step = max(next.Step, current.Step+1)
	}
	a.mu.Lock()
	a.revision = revision
	a.mu.Unlock()
	err = a.put(ctx, next)
	if errors.Is(err, store.ErrConflict) {
		return errStale
	}
	return err
}

// notEnded returns errEnded when the job has its terminal record, and another error when that cannot be told in time.
func (a *attempt) notEnded(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, a.processor.cfg.writeTimeout(0))
	defer cancel()
	_, err := a.processor.store.RecordLeader(ctx, a.spec.Owner, a.spec.ID)
	switch {
	case err == nil:
		return errEnded
	case errors.Is(err, store.ErrNotFound):
		return nil
	}
	return err
}

// owns reports whether a progress was stored by this very attempt.
func (a *attempt) owns(p *job.Progress) bool {
	return p.Worker == a.processor.id && p.Delivery == a.delivery.Count
}
