package processor

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// progressDelay is how long the progress of a first delivery is held back where the worker runs in the process of NATS, if nobody follows
// the job: a crash loses it there whether it is stored or not, and most of the jobs that end sooner never need it. Reads in the process
// see it at once.
const progressDelay = 200 * time.Millisecond

// progressState says whether the progress of an attempt is stored.
type progressState int

const (
	// progressStored is also the state after a write whose outcome is unknown.
	progressStored progressState = iota
	progressHeld
	// progressUnneeded is the state of a progress that was held back until the job ended.
	progressUnneeded
)

// mayHoldProgress reports whether nobody needs the progress of a first delivery in NATS yet.
func (a *attempt) mayHoldProgress() bool {
	p := a.processor
	return p.besideAPI && (p.watched == nil || !p.watched(a.spec.Owner, a.spec.ID))
}

// holdProgress sets the progress with which the attempt starts, and stores it after progressDelay.
func (a *attempt) holdProgress(ctx context.Context, p *job.Progress) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.progress, a.state = p, progressHeld
	a.processor.store.HoldProgress(a.spec.Owner, p)
	a.release = time.AfterFunc(cmp.Or(a.processor.cfg.hooks.ProgressDelay, progressDelay), func() {
		unlock, err := a.lockProgress(ctx)
		if err != nil {
			return
		}
		defer unlock()
		if a.setState(progressHeld, progressStored) {
			_ = a.storeChange(ctx, func(*job.Progress) {})
		}
	})
}

// endProgress ends the changes of the progress before the job ends, and reports whether one is stored. If it is still held back, it
// will not be stored any more.
func (a *attempt) endProgress() (stored bool) {
	if a.release == nil {
		return true
	}
	a.release.Stop()
	a.updating <- struct{}{}
	defer func() { <-a.updating }()
	a.setState(progressHeld, progressUnneeded)
	return a.state != progressUnneeded
}

// keepProgress stores a progress that is still held back after a panic, which then counts as a crash of the worker.
func (a *attempt) keepProgress(ctx context.Context) {
	ctx = context.WithoutCancel(ctx)
	unlock, err := a.lockProgress(ctx)
	if err != nil {
		return
	}
	defer unlock()
	if a.setState(progressHeld, progressStored) || a.setState(progressUnneeded, progressStored) {
		_ = a.storeChange(ctx, func(*job.Progress) {})
	}
}

// setState replaces the state from, and reports whether it was that. The caller holds a.updating.
func (a *attempt) setState(from, to progressState) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != from {
		return false
	}
	a.state = to
	return true
}

// dropHeldProgress ends the holding back at the end of the attempt. If somebody else has ended the job meanwhile, they may have removed
// the progress before it was stored, so that it is removed once more.
func (a *attempt) dropHeldProgress(ctx context.Context) {
	if a.release == nil {
		return
	}
	if stored := a.endProgress(); stored && errors.Is(context.Cause(ctx), errEnded) {
		if err := a.processor.store.DropProgress(a.spec.Owner, a.spec.ID); err != nil {
			a.processor.log.DebugContext(ctx, "cannot delete progress", "error", err)
		}
	}
	a.endHolding()
}

// endHolding makes the store forget a progress that was held back: it is in NATS now, or its job has ended.
func (a *attempt) endHolding() {
	if a.release != nil {
		a.processor.store.ReleaseProgress(a.spec.Owner, a.spec.ID)
	}
}

// update changes the progress of the running attempt. It cancels the attempt if the job has ended or another worker has
// it. Other errors are dropped: progress is advisory, and the next update contains the change. It costs nothing while the progress
// is held back.
func (a *attempt) update(ctx context.Context, change func(*job.Progress)) error {
	unlock, err := a.lockProgress(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	a.mu.Lock()
	if a.state != progressHeld {
		a.mu.Unlock()
		return a.storeChange(ctx, change)
	}
	defer a.mu.Unlock()
	next := *a.progress
	change(&next)
	next.Step++
	a.progress = &next
	a.processor.store.HoldProgress(a.spec.Owner, &next)
	return nil
}

// updateNow is update, but stores a progress that is held back.
func (a *attempt) updateNow(ctx context.Context, change func(*job.Progress)) error {
	unlock, err := a.lockProgress(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	a.setState(progressHeld, progressStored)
	return a.storeChange(ctx, change)
}

// lockProgress locks the progress for a change. Changes are not serialized by the mutex, which heartbeats need while a change
// waits for NATS.
func (a *attempt) lockProgress(ctx context.Context) (unlock func(), err error) {
	select {
	case a.updating <- struct{}{}:
		return func() { <-a.updating }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// storeChange is update for a progress that is stored. The caller holds a.updating.
func (a *attempt) storeChange(ctx context.Context, change func(*job.Progress)) error {
	a.mu.Lock()
	next := *a.progress
	a.mu.Unlock()
	change(&next)
	next.Step++
	err := a.putProgress(ctx, &next)
	a.endHolding()
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
