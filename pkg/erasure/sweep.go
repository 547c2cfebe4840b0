package erasure

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// sweepTimeout bounds the sweep of one deletion.
const sweepTimeout = 30 * time.Second

// Start starts the sweeper, until Stop. It costs one request to NATS at each interval, and about 200 for each deletion. Every
// process has its own: all steps may be repeated, and concurrently.
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

// Stop stops the sweeper. Pending deletions are completed by another process or after the next start. Stop may be called
// before Start.
func (e *Eraser) Stop(context.Context) error {
	if e.stop != nil {
		e.stop()
		e.done.Wait()
	}
	return nil
}

// report logs once that deletions cannot be completed, and once that they can be again.
func (e *Eraser) report(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !e.failing:
		e.failing = true
		e.log.WarnContext(ctx, "cannot finish the erasure of deleted accounts", slog.Any("error", err))
	case err == nil && e.failing:
		e.failing = false
		e.log.InfoContext(ctx, "erasure of deleted accounts works again")
	}
}

// Sweep completes all deletions that are due. It continues with the others when one fails.
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

// due reports whether a deletion is to be swept: at once if this process has not done so yet, then each time its age has
// doubled, and finally when its grace is over.
func (e *Eraser) due(d *account.Deletion, now time.Time) bool {
	last, known := e.swept[d.Owner]
	if !known || now.Sub(d.Started) >= e.cfg.Grace {
		return true
	}
	return now.Sub(last) >= max(last.Sub(d.Started), e.cfg.Interval)
}

// finish does what is left of a deletion, once its grace is over for the last time.
func (e *Eraser) finish(ctx context.Context, d *account.Deletion) error {
	restored, err := e.accounts.Restored(ctx, d)
	if err != nil {
		return err
	}
	if restored {
		return e.accounts.ForgetDeletion(ctx, d)
	}
	over := time.Since(d.Started) >= e.cfg.Grace
	// Once more even if the account is gone: its owner may have requested a password reset at that moment.
	if err := e.removeAccount(ctx, d); err != nil {
		return err
	}
	if err := e.Erase(ctx, d.Owner); err != nil {
		return err
	}
	if err := e.passed(stepErase); err != nil || !over {
		return err
	}
	if err := e.jobs.EraseTombstones(ctx, d.Owner); err != nil {
		return err
	}
	if err := e.passed(stepMarks); err != nil {
		return err
	}
	return e.accounts.ForgetDeletion(ctx, d)
}
