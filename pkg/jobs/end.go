package jobs

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// end settles a job from outside, without a worker, and returns the ended job; won reports whether this call ended it. It
// fails with ErrNotFound when the job was deleted meanwhile.
//
// It continues for endGrace after ctx has ended: the caller may disconnect because it received the record that is being
// written here, and the end would then not be counted.
func (s *Service) end(ctx context.Context, snap *job.Snapshot, r *job.Record) (ended *job.Snapshot, won bool, err error) {
	ctx, release := outlive(ctx, endGrace)
	defer release()
	r.Spec, r.FinishedAt = snap.Spec, job.At(s.now())
	if p := snap.Progress; p != nil {
		r.Attempt, r.Counts, r.StartedAt = p.Attempt, p.Counts, p.StartedAt
	}
	final, won, err := s.Settle(ctx, Settlement{Record: r})
	if err != nil {
		return nil, won, err
	}
	return &job.Snapshot{Spec: final.Spec, Record: final}, won, nil
}

// resume takes the remaining steps of an interrupted settlement, which has left the message in the queue.
func (s *Service) resume(ctx context.Context, r *job.Record) error {
	queued, err := s.queued(ctx, r.Spec)
	if err != nil || !queued {
		return err
	}
	return s.Finish(ctx, Settlement{Record: r})
}

// expire ends a job if its deadline has passed, so that jobs end that no worker takes. It returns the job; won reports
// whether this call ended it.
func (s *Service) expire(ctx context.Context, snap *job.Snapshot) (final *job.Snapshot, won bool, err error) {
	if snap.Record != nil || !snap.Spec.Expired(s.now()) {
		return snap, false, nil
	}
	late := job.NewError(job.CodeDeadline, 0)
	if snap.Progress != nil {
		late = late.Because(snap.Progress.LastError)
	}
	result, err := s.partialResult(ctx, snap.Spec, late)
	if err != nil {
		return nil, false, err
	}
	if result != nil {
		return s.end(ctx, snap, &job.Record{Status: job.StatusSucceeded, Result: result})
	}
	return s.end(ctx, snap, &job.Record{Status: job.StatusFailed, Error: late})
}

// partialResult returns the stored images of a set as a result in which the others are missing because of cause; nil when no
// image is stored.
func (s *Service) partialResult(ctx context.Context, spec *job.Spec, cause *job.Error) (*job.Result, error) {
	in, ok := spec.Input.(*job.ImageInput)
	if !ok || in.Count() < 2 {
		return nil, nil
	}
	result := &job.Result{}
	for i := range in.Count() {
		m, err := s.store.MediaInfo(ctx, spec.Owner, spec.ID, i)
		switch {
		case err == nil:
			result.Media = append(result.Media, m)
		case errors.Is(err, store.ErrNotFound):
			result.Missing = append(result.Missing, job.Missing{Index: i, Error: *cause})
		default:
			return nil, err
		}
	}
	if len(result.Media) == 0 {
		return nil, nil
	}
	return result, nil
}

// endGrace is how long the end of a job may still take after its caller has disconnected.
const endGrace = 2 * time.Second

// outlive returns a context that ends a grace period after ctx, and a function that releases it. It has a deadline if ctx
// has one, later by the same period, since requests to NATS are repeated until the deadline.
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
