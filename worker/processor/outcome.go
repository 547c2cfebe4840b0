package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// verdict is what to do after an attempt.
type verdict string

const (
	// verdictSucceed ends the job with its result.
	verdictSucceed verdict = "succeed"
	// verdictFail ends the job with an error, or with the images that are stored.
	verdictFail verdict = "fail"
	// verdictRetry tries again and counts as one of the job's attempts.
	verdictRetry verdict = "retry"
	// verdictWait tries again and does not count as an attempt; the deadline limits it.
	verdictWait verdict = "wait"
	// verdictReturn returns the job to the queue for another worker at once; it does not count as an attempt.
	verdictReturn verdict = "hand_back"
	// verdictAbandon does nothing: the job has ended, another worker has it, or NATS is unavailable.
	verdictAbandon verdict = "abandon"
)

// The causes with which an attempt is aborted.
var (
	errShutdown = errors.New("the worker stops")
	errLost     = errors.New("the broker did not confirm that the job is in progress")
	errStale    = errors.New("the job was delivered to somebody else")
	errEnded    = errors.New("the job has ended meanwhile")
	errDeadline = errors.New("the job's deadline has passed")
	errTimeout  = fmt.Errorf("the attempt took too long: %w", context.DeadlineExceeded)
	// errHookStopped wraps the error of a test's afterStep; the delivery is left as a crash would leave it.
	errHookStopped = errors.New("stopped behind a step")
)

// classes maps each class of fault to what to do.
var classes = map[fault.Class]verdict{
	fault.Retryable:     verdictRetry,
	fault.Throttled:     verdictWait,
	fault.Misconfigured: verdictWait,
	fault.Permanent:     verdictFail,
	fault.Moderated:     verdictFail,
}

// outcome is how an attempt ended.
type outcome struct {
	verdict verdict
	fault   *fault.Error
	// faults are those of single images of a set, by index.
	faults map[int]*fault.Error
	// code is the job error's code.
	code string
	// cause is the last error before, of a job that exceeded its deadline.
	cause *job.Error
}

// judge returns the outcome of an attempt with an error and the cause with which its context ended, if it did.
func judge(err, cause error) outcome {
	switch {
	case err == nil:
		return outcome{verdict: verdictSucceed}
	case errors.Is(err, errHookStopped), errors.Is(cause, errHookStopped):
		return outcome{verdict: verdictAbandon}
	case errors.Is(cause, errEnded), errors.Is(cause, errStale), errors.Is(cause, errLost),
		errors.Is(err, errStale), errors.Is(err, errEnded):
		return outcome{verdict: verdictAbandon}
	case errors.Is(cause, errShutdown):
		return outcome{verdict: verdictReturn}
	case errors.Is(cause, errDeadline):
		return outcome{verdict: verdictFail, code: job.CodeDeadline}
	}
	var own *storeError
	if errors.As(err, &own) {
		return outcome{verdict: verdictWait, code: job.CodeInternal}
	}
	var set *SetError
	if errors.As(err, &set) {
		o := judge(set.worst(), nil)
		o.faults = set.Faults
		return o
	}
	var f *fault.Error
	if errors.As(err, &f) {
		if v, ok := classes[f.Class]; ok {
			return outcome{verdict: v, fault: f, code: f.Code}
		}
	}
	if errors.Is(cause, errTimeout) {
		return outcome{verdict: verdictRetry, code: job.CodeTimeout, fault: f}
	}
	return outcome{verdict: verdictRetry, code: job.CodeInternal, fault: f}
}

// jobError returns the error that the job's client sees.
func (o outcome) jobError() *job.Error {
	status := 0
	if o.fault != nil {
		status = o.fault.Status
	}
	return job.NewError(o.code, status).Because(o.cause)
}

func (o outcome) detail() string {
	if o.fault == nil {
		return ""
	}
	return o.fault.Detail
}

// missing lists the images of a set that could not be made.
func (o outcome) missing(of int, stored map[int]job.Media) []job.Missing {
	var list []job.Missing
	for i := range of {
		if _, ok := stored[i]; ok {
			continue
		}
		e := o.jobError()
		if f := o.faults[i]; f != nil {
			e = job.NewError(f.Code, f.Status)
		}
		list = append(list, job.Missing{Index: i, Error: *e})
	}
	return list
}

// SetError holds the faults of single images of a set.
type SetError struct {
	Faults map[int]*fault.Error
}

// Error names the worst of the faults.
func (s *SetError) Error() string { return s.worst().Error() }

// worst returns the fault that decides: as long as one image may still be made, the job goes on. Of equal classes the first
// image's fault decides.
func (s *SetError) worst() error {
	rank := []fault.Class{fault.Retryable, fault.Throttled, fault.Misconfigured, fault.Permanent, fault.Moderated}
	indexes := slices.SortedFunc(maps.Keys(s.Faults), func(i, j int) int {
		return cmp.Or(slices.Index(rank, s.Faults[i].Class)-slices.Index(rank, s.Faults[j].Class), i-j)
	})
	if len(indexes) == 0 {
		return errors.New("empty set of faults")
	}
	return s.Faults[indexes[0]]
}

// delay returns how long to wait before the attempt after n earlier ones: it doubles each time, with jitter, and is never shorter
// than the upstream's Retry-After.
func (c Config) delay(n int, asked time.Duration) time.Duration {
	b := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(min(c.RetryInitialDelay, c.RetryMaxDelay)), backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(0.3), backoff.WithMaxInterval(c.RetryMaxDelay), backoff.WithMaxElapsedTime(0),
	)
	d := b.NextBackOff()
	for range min(n, maxDoublings) {
		d = b.NextBackOff()
	}
	if asked > 0 {
		// Some jitter on top keeps many jobs from coming back at the same time.
		return max(d, asked+time.Duration(float64(d)*0.1))
	}
	return d
}

// closedFor returns how long the circuit breaker of an upstream stays open after a fault of the given code, the trips-th in a row: as
// long as the upstream asks for, or increasingly long. An upstream that rejects this installation is called rarely.
func (c Config) closedFor(code string, trips int, asked time.Duration) time.Duration {
	switch {
	case asked > 0:
		return asked + time.Millisecond
	case code == job.CodeMisconfigured:
		first := cmp.Or(c.hooks.misconfiguredDelay, misconfiguredDelay)
		return min(first<<min(max(trips-1, 0), 8), misconfiguredGrowth*first)
	}
	return c.delay(trips-1, 0)
}

const (
	// misconfiguredDelay is the pause before an upstream that rejects this installation is called again, and misconfiguredGrowth
	// the factor by which it may grow.
	misconfiguredDelay  = 30 * time.Second
	misconfiguredGrowth = 10
)

// maxDoublings is enough to reach any sensible maximum delay.
const maxDoublings = 32
