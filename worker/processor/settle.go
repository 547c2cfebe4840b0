package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const (
	// settleTimeout bounds each step of a settlement while NATS is unavailable.
	settleTimeout = 30 * time.Second
	settlePause   = 500 * time.Millisecond
	// newerDelay delays a job that a newer version of the program wrote, until a worker of that version gets it.
	newerDelay = 30 * time.Second
)

// passed calls the afterStep hook.
func (p *Processor) passed(step jobs.Step) error {
	if p.cfg.hooks.AfterStep == nil {
		return nil
	}
	if err := p.cfg.hooks.AfterStep(step); err != nil {
		return fmt.Errorf("%w %s: %w", errHookStopped, step, err)
	}
	return nil
}

// succeed ends the job with its result.
func (a *attempt) succeed(ctx context.Context, task *Task, result *job.Result, missing []job.Missing) error {
	if result == nil {
		result = &job.Result{}
	}
	result.Media, result.Missing, result.Usage = task.stored(), missing, task.total(result.Usage)
	result.Upstream = cmp.Or(result.Upstream, task.upstream())
	return a.settle(ctx, &job.Record{Status: job.StatusSucceeded, Result: result}, task, "")
}

// fail ends the job with an error, or with success if at least one image of a set is stored.
func (a *attempt) fail(ctx context.Context, task *Task, o outcome, counts job.Counts) error {
	a.endProgress()
	if p := a.currentProgress(); p != nil {
		counted := *p
		counted.Counts = counts
		a.setProgress(&counted)
		if o.code == job.CodeDeadline {
			o.cause = p.LastError
		}
	}
	if len(task.stored()) > 0 {
		missing := o.missing(mediaCount(a.spec), task.media)
		return a.succeed(ctx, task, task.partial(), missing)
	}
	return a.settle(ctx, &job.Record{Status: job.StatusFailed, Error: o.jobError()}, nil, o.detail())
}

// expire ends a job whose deadline passed before this delivery.
func (a *attempt) expire(ctx context.Context) error {
	if p, _, err := a.fromLeader(ctx); err == nil && p != nil {
		a.setProgress(p)
	}
	return a.failWithCode(ctx, job.CodeDeadline)
}

// failWithCode fails a job without another attempt; the media of earlier attempts are kept.
func (a *attempt) failWithCode(ctx context.Context, code string) error {
	task, err := a.task(ctx)
	if err != nil {
		return err
	}
	var counts job.Counts
	if p := a.currentProgress(); p != nil {
		counts = p.Counts
	}
	return a.fail(ctx, task, outcome{verdict: verdictFail, code: code}, counts)
}

// settle ends the job, and removes it from the queue by acknowledging this delivery. If the job has already ended, the
// result of this attempt is dropped. The writes are retried while NATS is unavailable; after settleTimeout the job is
// left for redelivery.
func (a *attempt) settle(ctx context.Context, r *job.Record, task *Task, detail string) error {
	var products []store.Product
	if task != nil {
		products = task.pending
	}
	_, err := a.settleWith(ctx, jobs.Settlement{Record: r, Products: products, Detail: detail})
	return err
}

// settleWith is settle for any settlement, of which the fields are set that describe the end. It reports whether the job ended so.
func (a *attempt) settleWith(ctx context.Context, st jobs.Settlement) (won bool, err error) {
	ctx, span := a.processor.tracing.StartSettle(ctx, string(a.spec.Kind), a.spec.ID)
	defer func() {
		if err != nil {
			span.Fail(job.CodeInternal)
		}
		span.End()
	}()
	ctx = a.withoutCancel(ctx)
	st.NoProgress, st.Server = !a.endProgress(), a.server
	r := st.Record
	r.Spec, r.FinishedAt = a.spec, job.At(a.processor.now())
	if p := a.currentProgress(); p != nil {
		r.Attempt, r.Counts, r.StartedAt = p.Attempt, p.Counts, p.StartedAt
	}
	size := 0
	for _, p := range st.Products {
		size += len(p.Data)
	}
	m, kind := a.processor.metrics, string(a.spec.Kind)
	w := writes{attempt: a}
	defer w.end()
	st.Remove, st.Write = a.delivery.Ack, w.write
	final, won, err := a.processor.jobs.Settle(ctx, st)
	switch {
	case won:
		m.MediaBytes.WithLabelValues(kind).Add(float64(size))
	case final != nil:
		m.SettleConflicts.WithLabelValues(kind).Inc()
	}
	if final != nil {
		span.JobStatus(string(final.Status))
	}
	if errors.Is(err, jobs.ErrNotFound) {
		err = nil // The job was deleted.
	}
	return won, err
}

// finish takes the remaining steps of a settlement whose record is stored already.
func (a *attempt) finish(ctx context.Context, r *job.Record) error {
	w := writes{attempt: a}
	defer w.end()
	return a.processor.jobs.Finish(a.withoutCancel(ctx), jobs.Settlement{Record: r, Remove: a.delivery.Ack, Write: w.write})
}

// writes performs writes that follow each other. They share a context as long as it has most of their timeout left, so that the usual
// settlement, whose four writes take milliseconds, needs one timer.
type writes struct {
	attempt *attempt
	// ctx is nil before the first write.
	ctx    context.Context //nolint:containedctx // It is passed to each write.
	cancel context.CancelFunc
}

// write performs the write of a settlement step. Writes of media and records update the storage state.
func (w *writes) write(ctx context.Context, step jobs.Step, bytes int, write func(context.Context) error) error {
	a := w.attempt
	if step == jobs.StepFollowUp && a.ended != nil && a.spec.Spending != nil {
		// The cost is counted together with that of other jobs.
		a.ended()
	}
	var state *storageState
	if bytes > 0 || step == jobs.StepRecord {
		state = &a.processor.storeOutage
	}
	if err := w.persist(ctx, state, bytes, write); err != nil {
		return err
	}
	return a.processor.passed(step)
}

// retry returns the job to the queue for another attempt after delay, or at its deadline if that is earlier.
func (a *attempt) retry(ctx context.Context, o outcome, counts job.Counts, delay time.Duration) error {
	now := a.processor.now()
	next := now.Add(delay)
	if next.After(a.spec.Deadline.Time) {
		next = a.spec.Deadline.Time
	}
	// The time is stored in milliseconds; one more keeps the job from coming back too early.
	return a.putBack(ctx, next.Sub(now)+time.Millisecond, func(p *job.Progress) {
		p.Status, p.Stage, p.Counts, p.PartialText = job.StatusRetrying, "", counts, ""
		p.Attempt = max(1, counts.Failures)
		p.NextAttemptAt, p.LastError = job.AtPtr(next), o.jobError()
		if o.verdict == verdictWait && o.fault != nil {
			p.WaitingFor = o.fault.Upstream
		}
	})
}

// putBack changes the progress and returns the job to the queue for a delivery after delay, unless the job has ended or was
// delivered to another worker. The job returns even if the progress cannot be stored.
func (a *attempt) putBack(ctx context.Context, delay time.Duration, change func(*job.Progress)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := a.updateNow(ctx, change); isGone(err) {
		return nil
	}
	if delay == 0 {
		return a.delivery.Nak()
	}
	return a.delivery.NakWithDelay(delay)
}

// returnUncalled returns a job whose upstream was not called to the queue. It does not count as an attempt.
func (a *attempt) returnUncalled(ctx context.Context) error {
	return a.putBack(ctx, requeueDelay+time.Millisecond, func(p *job.Progress) {
		p.Status, p.Stage, p.WaitingFor = job.StatusRetrying, "", a.spec.Kind.Upstream()
		p.NextAttemptAt = job.AtPtr(a.processor.now().Add(requeueDelay))
	})
}

// returnToQueue returns the job to the queue for another worker at once. It does not count as a failure of the job.
func (a *attempt) returnToQueue(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if a.currentProgress() == nil {
		// Without a progress the next worker would count this delivery as a failure.
		if proceed, err := a.begin(ctx); err != nil || !proceed {
			return err
		}
	}
	return a.putBack(ctx, 0, func(p *job.Progress) {
		p.Status, p.Stage, p.NextAttemptAt = job.StatusRetrying, "", job.AtPtr(a.processor.now())
	})
}

// isGone reports whether an update failed because the job has ended or was delivered to another worker.
func isGone(err error) bool { return errors.Is(err, errStale) || errors.Is(err, errEnded) }

// unreadable handles a message that cannot be decoded. A message of a newer version of the program is left for a worker
// of that version; any other fails the job, since no worker can decode it.
func (a *attempt) unreadable(ctx context.Context) {
	d, p := a.delivery, a.processor
	if errors.Is(d.Fault, job.ErrNewer) {
		if err := d.NakWithDelay(newerDelay); err != nil {
			p.log.WarnContext(ctx, "job left for redelivery", "error", err)
		}
		return
	}
	p.log.ErrorContext(ctx, "cannot read job", "error", d.Fault, "kind", string(d.Kind))
	in, err := job.NewInput(d.Kind)
	if err != nil {
		p.log.ErrorContext(ctx, "job left in the queue", "error", err)
		return
	}
	at := job.At(d.QueuedAt)
	a.spec = &job.Spec{
		V: job.Version, ID: d.ID, Kind: d.Kind, Lane: d.Lane, Owner: d.Owner, Input: in, CreatedAt: at, Deadline: at,
	}
	record := &job.Record{Status: job.StatusFailed, Error: job.NewError(job.CodeInvalidJob, 0)}
	if err := a.settle(ctx, record, nil, d.Fault.Error()); err != nil && !errors.Is(err, errHookStopped) {
		p.log.WarnContext(ctx, "job left for redelivery", "error", err)
	}
}

// persist retries a write of the given size until it succeeds. It gives up when NATS has been unavailable for
// settleTimeout or ctx ends; while NATS responds but refuses writes, it continues as long as worthKeeping returns true.
// Permanent errors are not retried. The state, which may be nil, records whether writes are accepted.
func (w *writes) persist(ctx context.Context, state *storageState, size int, write func(context.Context) error) error {
	a, began := w.attempt, time.Now()
	for {
		err := write(w.bounded(ctx, a.processor.cfg.writeTimeout(size)))
		switch {
		case err == nil:
			state.reportAccepted(ctx)
			return nil
		case errors.Is(err, errHookStopped), errors.Is(err, job.ErrNewer), errors.Is(err, store.ErrDeleted), errors.Is(err, store.ErrGone), ctx.Err() != nil:
			return err
		}
		wait := settlePause
		if a.worthKeeping(ctx, err) {
			state.reportRefused(ctx, err)
			began, wait = time.Now(), storeRetryDelay
		} else if time.Since(began) >= a.processor.cfg.settleTimeout() {
			return err
		}
		if !lifecycle.Sleep(ctx, wait) {
			return err
		}
	}
}

// bounded returns a context that ends after a timeout, or up to a quarter of that earlier.
func (w *writes) bounded(ctx context.Context, timeout time.Duration) context.Context {
	if w.ctx != nil {
		end, _ := w.ctx.Deadline()
		if left := time.Until(end); left >= timeout-timeout/4 && left <= timeout {
			return w.ctx
		}
	}
	w.end()
	w.ctx, w.cancel = context.WithTimeout(ctx, timeout)
	return w.ctx
}

// end releases the context.
func (w *writes) end() {
	if w.cancel != nil {
		w.cancel()
	}
}

// withoutCancel returns a context that outlives ctx, for the writes of a settlement. It keeps the end of ctx in
// a.stopped: a worker that stops, or has lost the job, does not keep results in memory.
func (a *attempt) withoutCancel(ctx context.Context) context.Context {
	if done := ctx.Done(); done != nil {
		a.mu.Lock()
		a.stopped = done
		a.mu.Unlock()
	}
	return context.WithoutCancel(ctx)
}
