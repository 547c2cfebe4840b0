package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// end writes a terminal record and takes the steps that follow it. When the job has ended meanwhile that record holds,
// and is returned; the steps are taken all the same, since each can be repeated. It fails with ErrNotFound when the job
// was deleted meanwhile.
func (l *Service) end(ctx context.Context, snap *job.Snapshot, r *job.Record) (*job.Snapshot, error) {
	snap, _, err := l.endFirst(ctx, snap, r)
	return snap, err
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

// endFirst is end, and says whether it was this call that ended the job. A caller that goes away meanwhile does not break
// it off: it may go because it was told of the very record that is being written here, which then nobody would count.
func (l *Service) endFirst(ctx context.Context, snap *job.Snapshot, r *job.Record) (ended *job.Snapshot, won bool, err error) {
	ctx, release := outlive(ctx, endGrace)
	defer release()
	r.Spec, r.FinishedAt = snap.Spec, job.At(l.now())
	if p := snap.Progress; p != nil {
		r.Attempt, r.Counts, r.StartedAt = p.Attempt, p.Counts, p.StartedAt
	}
	final, won, err := l.store.Settle(ctx, r, nil, l.passed)
	if errors.Is(err, store.ErrDeleted) {
		// Nobody wants the job any more; nothing follows but to take it out of the queue.
		if err := l.unqueue(ctx, snap.Spec); err != nil {
			return nil, false, err
		}
		return nil, false, ErrNotFound
	}
	if err != nil {
		return nil, false, err
	}
	if won {
		l.observe(ctx, final)
	}
	if err := l.finish(ctx, final); err != nil {
		return nil, won, err
	}
	return &job.Snapshot{Spec: final.Spec, Record: final}, won, nil
}

// finish takes the steps that follow a terminal record, the message last but for the progress, which nobody reads any
// more. Each can be repeated.
func (l *Service) finish(ctx context.Context, r *job.Record) error {
	for _, then := range []struct {
		step store.Step
		take func() error
	}{
		{StepNotice, func() error { return l.queue.AnnounceCancel(r.Spec.ID) }},
		{StepFollowUp, func() error { return l.store.FollowUp(ctx, r, "") }},
		{StepUnqueue, func() error { return l.unqueue(ctx, r.Spec) }},
		{StepProgress, func() error { return l.dropProgress(ctx, r.Spec) }},
	} {
		if err := then.take(); err != nil {
			return err
		}
		if err := l.passed(then.step); err != nil {
			return err
		}
	}
	return nil
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
	return l.finish(ctx, r)
}

// unqueue takes a job out of the queue, if it is there.
func (l *Service) unqueue(ctx context.Context, spec *job.Spec) error {
	entry, err := l.queue.FindLeader(ctx, spec.Owner, spec.ID)
	switch {
	case errors.Is(err, queue.ErrNotFound):
		return nil
	case err != nil:
		return err
	}
	return l.queue.Delete(ctx, entry.Sequence)
}

func (l *Service) dropProgress(ctx context.Context, spec *job.Spec) error {
	if err := l.store.DropProgress(ctx, spec.Owner, spec.ID); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return nil
}

// observe counts and logs a job that was ended here, without a worker.
func (l *Service) observe(ctx context.Context, r *job.Record) {
	reason := ""
	if r.Error != nil {
		reason = r.Error.Code
	}
	if l.log != nil {
		ctx = telemetry.WithJobID(ctx, r.Spec.ID)
		l.log.InfoContext(ctx, "job ended", "kind", string(r.Spec.Kind), "status", string(r.Status), "code", reason, "attempt", r.Attempt)
	}
	if l.metrics == nil {
		return
	}
	l.metrics.ObserveEnd(string(r.Spec.Kind), string(r.Status), reason, r.FinishedAt.Sub(r.Spec.CreatedAt.Time))
}
