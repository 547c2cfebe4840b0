package processor

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

// maxCrashes is the number of worker crashes after which a job fails: the job itself is probably the cause.
const maxCrashes = 5

// earlyTolerance is how early a delayed job may start.
const earlyTolerance = 250 * time.Millisecond

// maxRecheck bounds the delay of a job that was delivered too early. The clock is checked again after it, since a wrong
// clock may have been corrected.
const maxRecheck = time.Minute

// begin records that the job runs; holdProgress says when it does not do so at once. It returns false if this delivery must not run:
// another worker has the job, its delay is not over, or it crashed too many workers and was failed.
func (a *attempt) begin(ctx context.Context) (bool, error) {
	previous, revision, err := a.previousProgress(ctx)
	for tries := 0; err == nil; tries++ {
		proceed, done := a.accept(ctx, previous)
		if !proceed {
			return false, done
		}
		next := a.nextProgress(previous)
		if next.Crashes >= maxCrashes {
			a.progress, a.revision = next, revision
			return false, a.failWithCode(ctx, job.CodeWorkerLost)
		}
		if previous == nil && a.delivery.Count == 1 && a.mayHoldProgress() {
			a.holdProgress(ctx, next)
			a.observeStart(nil)
			return true, nil
		}
		revision, err = a.processor.store.PutProgress(ctx, a.spec.Owner, next, revision)
		if err == nil {
			a.mu.Lock()
			a.progress, a.revision = next, revision
			a.mu.Unlock()
			a.observeStart(previous)
			return true, nil
		}
		if !errors.Is(err, store.ErrConflict) || tries == 3 {
			return false, err
		}
		previous, revision, err = a.fromLeader(ctx)
	}
	return false, err
}

// requeue returns a job that must not start yet to the queue. A short delay is enough, since nothing is fetched while the
// circuit breaker is open. It stores a progress for a first delivery, so that this delivery does not count as a failure.
func (a *attempt) requeue(ctx context.Context) error {
	previous, revision, err := a.fromLeader(ctx)
	if err != nil {
		return err
	}
	if previous == nil {
		p := &job.Progress{ID: a.spec.ID, Status: job.StatusQueued, Delivery: a.delivery.Count, Step: 1, Worker: a.processor.id}
		if a.delivery.Count > 1 {
			p.Failures = assumedFailures(a.delivery.Count, a.spec.MaxAttempts)
		}
		if _, err := a.processor.store.PutProgress(ctx, a.spec.Owner, p, revision); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return a.delivery.NakWithDelay(requeueDelay)
}

// previousProgress returns the progress before this delivery. It assumes that a first delivery has none, without a read;
// if it has one, the following write fails and the leader is read.
func (a *attempt) previousProgress(ctx context.Context) (*job.Progress, uint64, error) {
	if a.delivery.Count == 1 {
		return nil, 0, nil
	}
	return a.fromLeader(ctx)
}

// fromLeader returns the stored progress and its revision, read from the leader; nil if there is none.
func (a *attempt) fromLeader(ctx context.Context) (*job.Progress, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, a.processor.cfg.writeTimeout(0))
	defer cancel()
	p, revision, err := a.processor.store.ProgressLeader(ctx, a.spec.Owner, a.spec.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, revision, nil
	}
	return p, revision, err
}

// accept reports whether this delivery may run, given the progress before it. It delays a job that came too early.
func (a *attempt) accept(ctx context.Context, previous *job.Progress) (bool, error) {
	if previous == nil {
		return true, nil
	}
	if previous.Status == job.StatusRunning && previous.Delivery > a.delivery.Count {
		// A later delivery runs, so this one is stale. If the broker lost some of its count in a crash, the job is
		// redelivered until the count has caught up.
		a.processor.log.InfoContext(ctx, "stale delivery dropped", "delivery", a.delivery.Count, "current", previous.Delivery)
		return false, nil
	}
	if previous.Status == job.StatusRetrying && previous.NextAttemptAt != nil {
		// A broker that crashed may have lost the delay.
		if wait := previous.NextAttemptAt.Sub(a.processor.now()); wait > earlyTolerance {
			return false, a.delivery.NakWithDelay(min(wait, maxRecheck))
		}
	}
	return true, nil
}

// nextProgress returns the progress with which this delivery starts.
func (a *attempt) nextProgress(previous *job.Progress) *job.Progress {
	now := job.AtPtr(a.processor.now())
	p := &job.Progress{ID: a.spec.ID, StartedAt: now}
	if previous != nil {
		*p = *previous
		if previous.Status == job.StatusRunning {
			p.Crashes++
		}
		if p.StartedAt == nil {
			p.StartedAt = now
		}
	} else if a.delivery.Count > 1 {
		p.Failures = assumedFailures(a.delivery.Count, a.spec.MaxAttempts)
	}
	p.Status, p.Stage = job.StatusRunning, firstStage(a.spec)
	p.Attempt = p.Failures + 1
	if p.Delivery == a.delivery.Count {
		p.Step++
	} else {
		p.Delivery, p.Step = a.delivery.Count, 1
	}
	p.NextAttemptAt, p.WaitingFor, p.Percent, p.PartialText = nil, "", nil, ""
	p.Worker = a.processor.id
	return p
}

// assumedFailures returns the number of failures to assume for a job whose progress is lost: all earlier deliveries, but
// always leaving one attempt.
func assumedFailures(count uint64, maxAttempts int) int {
	most := max(0, maxAttempts-1)
	if count > math.MaxInt32 {
		return most
	}
	return min(int(count)-1, most)
}

func firstStage(spec *job.Spec) job.Stage {
	if in, ok := spec.Input.(*job.ImageInput); ok && in.Optimize {
		return job.StageOptimizing
	}
	return job.StageGenerating
}

// announceStart publishes the start of the job to its webhook. A failure does not stop the attempt, since the end of the job
// publishes it again.
func (a *attempt) announceStart(ctx context.Context) {
	p := a.currentProgress()
	if p.Attempt > 1 || a.spec.Webhook == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, a.processor.cfg.writeTimeout(0))
	defer cancel()
	if err := a.processor.jobs.AnnounceStart(ctx, a.spec, p); err != nil {
		a.processor.log.WarnContext(ctx, "cannot publish the start of a job", "error", err)
	}
}

func (a *attempt) observeStart(previous *job.Progress) {
	kind, reason := string(a.spec.Kind), "first"
	switch {
	case previous == nil, previous.Status == job.StatusQueued:
		a.processor.metrics.QueueWait.WithLabelValues(kind).Observe(max(0, a.processor.now().Sub(a.spec.CreatedAt.Time).Seconds()))
	case previous.Status == job.StatusRunning:
		reason = "crash"
	case previous.LastError != nil && previous.LastError.Code == job.CodeThrottled:
		reason = "throttled"
	default:
		reason = "retry"
	}
	a.processor.metrics.Attempts.WithLabelValues(kind, reason).Inc()
}
