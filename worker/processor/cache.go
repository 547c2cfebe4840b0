package processor

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const (
	// joinDelay is the first delay before a job that waits for an identical one is delivered again; it doubles up to joinMaxDelay.
	joinDelay    = 250 * time.Millisecond
	joinMaxDelay = 2 * time.Second
	// cacheTimeout bounds the look into the cache, and cacheRetryDelay is for how long it is skipped after that failed: it may be missing,
	// or not permitted, while the API or the configuration of NATS is older than the worker.
	cacheTimeout    = 5 * time.Second
	cacheRetryDelay = 30 * time.Second
)

// useCache ends the job with a copy of the result of an identical one, or returns it to the queue while that is under way. It returns
// false if the job has to be generated: it is the first, the others have ended without a result, or the cache is unavailable. None of
// this counts as an attempt, or needs a permit.
//
// It costs nothing for a job without a cache key; Service.Claim says what it costs otherwise. A job that waits costs that for each of
// its deliveries, besides the delivery.
func (a *attempt) useCache(ctx context.Context) (done bool, err error) {
	if a.spec.CacheKey == "" || !a.processor.cacheOutage.over(a.processor.now()) {
		return false, nil
	}
	for gone := ""; ; {
		claim, err := a.claim(ctx, gone)
		switch {
		case err != nil:
			unavailable := !errors.Is(err, job.ErrNewer) && !errors.Is(err, store.ErrConflict)
			if unavailable && ctx.Err() == nil {
				a.processor.cacheOutage.begin(a.processor.now())
				a.processor.log.WarnContext(ctx, "the results of identical jobs are not used for a while", "error", err)
			}
			return false, nil
		case claim.Result != nil:
			err := a.settleCopy(ctx, claim.Result)
			if !errors.Is(err, store.ErrGone) {
				return true, err
			}
			if gone == "" {
				gone = claim.Result.Spec.ID
				continue
			}
		case claim.Leader != "" && a.mayJoin():
			return true, a.join(ctx)
		}
		return false, nil
	}
}

func (a *attempt) claim(ctx context.Context, except string) (jobs.Claim, error) {
	ctx, cancel := context.WithTimeout(ctx, cacheTimeout)
	defer cancel()
	return a.processor.jobs.Claim(ctx, a.spec, except)
}

// settleCopy ends the job with a copy of the result of an identical one. It fails with store.ErrGone when that was deleted meanwhile.
func (a *attempt) settleCopy(ctx context.Context, of *job.Record) error {
	won, err := a.settleWith(ctx, jobs.Settlement{Record: of.Copy(), CopyOf: of.Spec.ID})
	if won {
		result := telemetry.CacheHit
		if a.spec.CreatedAt.Before(of.FinishedAt.Time) {
			result = telemetry.CacheJoined
		}
		a.processor.metrics.CachedResults.WithLabelValues(string(a.spec.Kind), result).Inc()
	}
	return err
}

// mayJoin reports whether the job may wait for an identical one. Near its deadline it does not: it still has to be generated if the
// other one fails.
func (a *attempt) mayJoin() bool {
	reserve := min(a.processor.cfg.timeout(a.spec.Kind), a.spec.Allowance()/2)
	return a.spec.Deadline.Sub(a.processor.now()) > reserve
}

// join returns the job to the queue, to be delivered again after a delay that grows with the deliveries. The progress says so, and
// keeps the deliveries from counting as failures.
func (a *attempt) join(ctx context.Context) error {
	previous, revision, err := a.fromLeader(ctx)
	if err != nil {
		return err
	}
	if previous == nil || previous.WaitingFor != job.ReasonIdentical {
		p := &job.Progress{ID: a.spec.ID, Status: job.StatusQueued}
		switch {
		case previous == nil && a.delivery.Count > 1:
			p.Failures = assumedFailures(a.delivery.Count, a.spec.MaxAttempts)
		case previous != nil && previous.Status == job.StatusRunning && previous.Delivery > a.delivery.Count:
			return nil // A later delivery runs.
		case previous != nil && previous.Status != job.StatusQueued:
			// It had an attempt before the cache was lost.
			*p = *previous
			p.Status = job.StatusRetrying
		}
		p.Stage, p.NextAttemptAt, p.WaitingFor, p.Worker = "", nil, job.ReasonIdentical, a.processor.id
		p.Delivery, p.Step = a.delivery.Count, 1
		if _, err := a.processor.store.PutProgress(ctx, a.spec.Owner, p, revision); err != nil && !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return a.delivery.NakWithDelay(min(joinDelay<<min(a.delivery.Count-1, maxJoinDoublings), joinMaxDelay))
}

// maxJoinDoublings is enough to reach joinMaxDelay.
const maxJoinDoublings = 3

// cacheOutage is the time during which the cache is not used, after it could not be reached.
type cacheOutage struct {
	mu    sync.Mutex
	until time.Time
}

func (o *cacheOutage) begin(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.until = now.Add(cacheRetryDelay)
}

func (o *cacheOutage) over(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return !now.Before(o.until)
}
