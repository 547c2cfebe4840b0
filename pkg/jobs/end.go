package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// Cancel ends a job of one of the owners as canceled and returns it. Canceling it again is no error. It fails with
// ErrFinished, together with the job as it ended, when it ended otherwise, and with ErrNotFound. A call to an upstream
// that was under way is broken off, but may still be billed.
func (l *Service) Cancel(ctx context.Context, owners []string, id string) (*job.Snapshot, error) {
	snap, err := l.certain(ctx, owners, id)
	if err != nil {
		return nil, err
	}
	if snap.Record != nil && snap.Record.Status == job.StatusCanceled {
		// The cancel of before may not have come further; its caller was not answered then, and asks again.
		if err := l.resume(ctx, snap.Record); err != nil {
			return nil, err
		}
	}
	if snap.Record == nil {
		kind := job.CancelBeforeStart
		if snap.Status() != job.StatusQueued {
			kind = job.CancelWhileRunning
		}
		if snap, _, err = l.end(ctx, snap, &job.Record{Status: job.StatusCanceled, Cancel: kind}); err != nil {
			return nil, err
		}
	}
	if snap.Record.Status != job.StatusCanceled {
		return snap, ErrFinished
	}
	return snap, nil
}

// CancelUnstarted cancels a job whose caller has gone away, unless it has started. It reports whether it did.
func (l *Service) CancelUnstarted(ctx context.Context, owner, id string) (bool, error) {
	snap, err := l.readLeader(ctx, owner, id)
	if err != nil || snap.Status() != job.StatusQueued {
		return false, err
	}
	snap, _, err = l.end(ctx, snap, &job.Record{Status: job.StatusCanceled, Cancel: job.CancelBeforeStart})
	return err == nil && snap.Record.Status == job.StatusCanceled, err
}

// Delete removes a job that has ended, with its media. It fails with ErrNotFinished while the job has not ended or is
// still being settled, and with ErrNotFound.
func (l *Service) Delete(ctx context.Context, owners []string, id string) error {
	snap, err := l.certain(ctx, owners, id)
	if err != nil {
		return err
	}
	if snap.Record == nil {
		return ErrNotFinished
	}
	_, err = l.queue.FindLeader(ctx, snap.Spec.Owner, id)
	switch {
	case err == nil:
		return ErrNotFinished
	case !errors.Is(err, queue.ErrNotFound):
		return err
	}
	if err := l.passed(stepDeletable); err != nil {
		return err
	}
	fence := l.mayStillRun(snap.Record)
	if err := l.store.Delete(ctx, snap.Spec.Owner, id, fence); err != nil || !fence {
		return err
	}
	// The idempotency key may have been used for a new job meanwhile, whose submission came too early to find the mark.
	switch _, err := l.queue.FindLeader(ctx, snap.Spec.Owner, id); {
	case err == nil:
		return l.store.Unfence(ctx, snap.Spec.Owner, id)
	case !errors.Is(err, queue.ErrNotFound):
		return err
	}
	return nil
}

// stray is how long after a job's end some worker may still be busy with it, though no call takes as long.
const stray = 15 * time.Minute

// mayStillRun reports whether a worker may be busy with a job that has ended: it was ended from outside and the notice may
// have been lost, or it was delivered to two workers, of which one was taken for dead.
func (l *Service) mayStillRun(r *job.Record) bool {
	return r.Cancel == job.CancelWhileRunning || (r.Error != nil && r.Error.Code == job.CodeDeadline) ||
		l.now().Sub(r.FinishedAt.Time) < stray
}

// certain reads a job from the leaders, for decisions.
func (l *Service) certain(ctx context.Context, owners []string, id string) (*job.Snapshot, error) {
	if !job.ValidToken(id) {
		return nil, ErrNotFound
	}
	for _, owner := range owners {
		snap, err := l.readLeader(ctx, owner, id)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return l.expire(ctx, snap)
	}
	return nil, ErrNotFound
}

// expire ends a job whose deadline has passed, so that one without workers ends too.
func (l *Service) expire(ctx context.Context, snap *job.Snapshot) (*job.Snapshot, error) {
	snap, _, err := l.expireFirst(ctx, snap)
	return snap, err
}

// expireFirst is expire, and says whether it was this call that ended the job.
func (l *Service) expireFirst(ctx context.Context, snap *job.Snapshot) (final *job.Snapshot, won bool, err error) {
	if snap.Record != nil || !snap.Spec.Expired(l.now()) {
		return snap, false, nil
	}
	late := job.NewError(job.CodeDeadline, 0)
	if snap.Progress != nil {
		late = late.Because(snap.Progress.LastError)
	}
	made, err := l.made(ctx, snap.Spec, late)
	if err != nil {
		return nil, false, err
	}
	if made != nil {
		return l.end(ctx, snap, &job.Record{Status: job.StatusSucceeded, Result: made})
	}
	return l.end(ctx, snap, &job.Record{Status: job.StatusFailed, Error: late})
}

// made returns what a set of pictures has come to when the rest is given up, or nil when there is nothing.
func (l *Service) made(ctx context.Context, spec *job.Spec, why *job.Error) (*job.Result, error) {
	in, ok := spec.Input.(*job.ImageInput)
	if !ok || in.Count() < 2 {
		return nil, nil
	}
	result := &job.Result{}
	for i := range in.Count() {
		m, err := l.store.MediaInfo(ctx, spec.Owner, spec.ID, i)
		switch {
		case err == nil:
			result.Media = append(result.Media, m)
		case errors.Is(err, store.ErrNotFound):
			result.Missing = append(result.Missing, job.Missing{Index: i, Error: *why})
		default:
			return nil, err
		}
	}
	if len(result.Media) == 0 {
		return nil, nil
	}
	return result, nil
}

// end settles a job from outside, without a worker, and says whether it was this call that ended it. When the job has ended
// meanwhile that record holds and is returned. It fails with ErrNotFound when the job was deleted meanwhile.
//
// A caller that goes away meanwhile does not break it off: it may go because it saw the very record that is being written
// here, which then nobody would count.
func (l *Service) end(ctx context.Context, snap *job.Snapshot, r *job.Record) (ended *job.Snapshot, won bool, err error) {
	ctx, release := outlive(ctx, endGrace)
	defer release()
	r.Spec, r.FinishedAt = snap.Spec, job.At(l.now())
	if p := snap.Progress; p != nil {
		r.Attempt, r.Counts, r.StartedAt = p.Attempt, p.Counts, p.StartedAt
	}
	final, won, err := l.Settle(ctx, Settlement{Record: r})
	if err != nil {
		return nil, won, err
	}
	return &job.Snapshot{Spec: final.Spec, Record: final}, won, nil
}

// resume takes the steps that follow a terminal record if somebody has not come to its end, which the message shows.
func (l *Service) resume(ctx context.Context, r *job.Record) error {
	_, err := l.queue.FindLeader(ctx, r.Spec.Owner, r.Spec.ID)
	switch {
	case errors.Is(err, queue.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return l.Finish(ctx, Settlement{Record: r})
}

// endGrace is how long the end of a job may still take once its caller has gone away.
const endGrace = 2 * time.Second

// outlive returns a context that ends a while after ctx, and a function that releases it. A deadline is kept, later by as
// much: requests to NATS are repeated for as long as there is one.
func outlive(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	longer, release := context.WithoutCancel(ctx), func() {}
	if deadline, ok := ctx.Deadline(); ok {
		longer, release = context.WithDeadline(longer, deadline.Add(grace))
	}
	longer, cancel := context.WithCancelCause(longer)
	stop := context.AfterFunc(ctx, func() {
		time.AfterFunc(grace, func() { cancel(context.Cause(ctx)) })
	})
	return longer, func() {
		stop()
		cancel(nil)
		release()
	}
}
