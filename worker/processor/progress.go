package processor

import (
	"context"
	"errors"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// update changes the progress of the running attempt. It cancels the attempt if the job has ended or another worker has
// it. Other errors are dropped: progress is advisory, and the next update contains the change.
//
// Updates are serialized by a.updating and not by the mutex, which heartbeats need while an update waits for NATS.
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
	err := a.putProgress(ctx, &next)
	if errors.Is(err, store.ErrConflict) {
		err = a.overwriteProgress(ctx, &next)
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
	// The next update contains the change.
	a.mu.Lock()
	next.Step = a.progress.Step
	a.progress = &next
	a.mu.Unlock()
	return nil
}

// putProgress replaces the progress that this attempt stored last. The caller holds a.updating.
func (a *attempt) putProgress(ctx context.Context, next *job.Progress) error {
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

// overwriteProgress stores next after a conflict, unless another worker has the job. The conflict may be with this
// attempt's own write whose confirmation was lost. There may also be no progress any more: it is kept in memory, and NATS
// may have restarted.
func (a *attempt) overwriteProgress(ctx context.Context, next *job.Progress) error {
	current, revision, err := a.fromLeader(ctx)
	if err != nil {
		return err
	}
	switch {
	case current == nil:
		// Progress is also deleted when the job ends.
		if err := a.checkNotEnded(ctx); err != nil {
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
	err = a.putProgress(ctx, next)
	if errors.Is(err, store.ErrConflict) {
		return errStale
	}
	return err
}

// checkNotEnded returns errEnded if the job has its terminal record, or another error if that cannot be read in time.
func (a *attempt) checkNotEnded(ctx context.Context) error {
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

// owns reports whether a progress was stored by this attempt.
func (a *attempt) owns(p *job.Progress) bool {
	return p.Worker == a.processor.id && p.Delivery == a.delivery.Count
}
