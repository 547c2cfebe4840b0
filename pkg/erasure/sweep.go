package erasure

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// sweepTimeout bounds one look at one deletion.
const sweepTimeout = 30 * time.Second

// Start begins to look for deletions, until Stop. It costs NATS one request at each interval, and some twenty at each of
// about ten looks at a deletion. Every process looks for itself: all steps may be repeated, and by several at once.
func (e *Eraser) Start() {
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.done.Go(func() {
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
			e.report(ctx, e.Sweep(ctx))
			timer.Reset(e.cfg.Interval)
		}
	})
}

// Stop ends the sweeper. What it was about to remove is removed by another one or at the next start. It is safe before
// Start.
func (e *Eraser) Stop(context.Context) error {
	if e.stop != nil {
		e.stop()
		e.done.Wait()
	}
	return nil
}

// report logs that deletions cannot be finished, once, and that they can be again.
func (e *Eraser) report(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !e.troubled:
		e.troubled = true
		e.log.WarnContext(ctx, "cannot finish the erasure of deleted accounts", slog.Any("error", err))
	case err == nil && e.troubled:
		e.troubled = false
		e.log.InfoContext(ctx, "erasure of deleted accounts works again")
	}
}

// Sweep looks once at all deletions that are due. It goes on with the others when one fails.
func (e *Eraser) Sweep(ctx context.Context) error {
	deletions, err := e.accounts.Deletions(ctx)
	errs := []error{err}
	seen := make(map[string]bool, len(deletions))
	for _, d := range deletions {
		seen[d.Owner] = true
		if !e.due(d, time.Now()) {
			continue
		}
		bound, cancel := context.WithTimeout(ctx, sweepTimeout)
		err := e.finish(bound, d)
		cancel()
		if err == nil {
			e.swept[d.Owner] = time.Now()
		}
		errs = append(errs, err)
	}
	for owner := range e.swept {
		if !seen[owner] {
			delete(e.swept, owner)
		}
	}
	return errors.Join(errs...)
}

// due reports whether a deletion is to be looked at: at once when this process has not yet, then each time as much has
// passed as had before the last look, and last of all when its grace is over.
func (e *Eraser) due(d *account.Deletion, now time.Time) bool {
	last, known := e.swept[d.Owner]
	if !known || now.Sub(d.Started) >= e.cfg.Grace {
		return true
	}
	return now.Sub(last) >= max(last.Sub(d.Started), e.cfg.Interval)
}

// finish does whatever is left of a deletion. Once its grace is over that is the last time.
func (e *Eraser) finish(ctx context.Context, d *account.Deletion) error {
	restored, err := e.accounts.Restored(ctx, d)
	if err != nil {
		return err
	}
	if restored {
		return e.accounts.ForgetDeletion(ctx, d)
	}
	over := time.Since(d.Started) >= e.cfg.Grace
	// Once more where the account is gone: its owner may have asked for a new password at that moment.
	if err := e.removeAccount(ctx, d); err != nil {
		return err
	}
	if err := e.Erase(ctx, d.Owner); err != nil {
		return err
	}
	if err := e.passed(StepErase); err != nil || !over {
		return err
	}
	if err := e.jobs.EraseMarks(ctx, d.Owner); err != nil {
		return err
	}
	if err := e.passed(StepMarks); err != nil {
		return err
	}
	return e.accounts.ForgetDeletion(ctx, d)
}
