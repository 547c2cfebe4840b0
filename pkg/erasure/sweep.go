package erasure

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// sweepTimeout bounds the sweep of one deletion.
const sweepTimeout = 30 * time.Second

// Start starts the sweeper, until Stop. It costs one request to NATS per interval, and about 200 per deletion. Every process runs
// one: all steps are idempotent and may run concurrently.
func (e *Eraser) Start() {
	ctx, stop := context.WithCancel(context.Background())
	e.stop = stop
	e.done.Go(func() {
		for {
			e.report(ctx, e.Sweep(ctx))
			if !lifecycle.Sleep(ctx, e.cfg.Interval) {
				return
			}
		}
	})
}

// Stop stops the sweeper. Another process, or this one after a restart, completes pending deletions. Stop may be called before
// Start.
func (e *Eraser) Stop(context.Context) error {
	if e.stop != nil {
		e.stop()
		e.done.Wait()
	}
	return nil
}

// report logs when sweeps begin to fail and when they succeed again.
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

// Sweep processes all deletions that are due. If one fails, it continues with the others.
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

// due reports whether a deletion is to be swept: at once if this process has not done so yet, then whenever its age has doubled,
// and finally at the end of its grace period.
func (e *Eraser) due(d *account.Deletion, now time.Time) bool {
	last, known := e.swept[d.Owner]
	if !known || now.Sub(d.Started) >= e.cfg.Grace {
		return true
	}
	return now.Sub(last) >= max(last.Sub(d.Started), e.cfg.Interval)
}

// finish repeats the steps of a deletion and, after its grace period, forgets it.
func (e *Eraser) finish(ctx context.Context, d *account.Deletion) error {
	restored, err := e.accounts.Restored(ctx, d)
	if err != nil {
		return err
	}
	if restored {
		return e.accounts.ForgetDeletion(ctx, d)
	}
	over := time.Since(d.Started) >= e.cfg.Grace
	// Repeat this even if the account is gone: a concurrent request may have stored a password reset.
	if err := e.removeAccount(ctx, d); err != nil {
		return err
	}
	if err := e.Erase(ctx, d.Owner); err != nil {
		return err
	}
	if err := e.passed(stepErase); err != nil || !over {
		return err
	}
	guests, err := e.accounts.Adopted(ctx, d.Owner)
	if err != nil {
		return err
	}
	for _, owner := range append(guests, d.Owner) {
		if err := e.jobs.EraseTombstones(ctx, owner); err != nil {
			return err
		}
	}
	if err := e.passed(stepMarks); err != nil {
		return err
	}
	if err := e.accounts.ForgetAdoptions(ctx, d.Owner); err != nil {
		return err
	}
	return e.accounts.ForgetDeletion(ctx, d)
}
