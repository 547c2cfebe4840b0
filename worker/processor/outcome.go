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

// verdict says what to do after an attempt.
type verdict string

const (
	// verdictSucceed ends the job with its result.
	verdictSucceed verdict = "succeed"
	// verdictFail ends the job with an error, or with the images that are stored.
	verdictFail verdict = "fail"
	// verdictRetry tries again; it counts as one of the job's attempts.
	verdictRetry verdict = "retry"
	// verdictWait tries again until the deadline; it does not count as an attempt.
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
	errStale    = errors.New("the job was delivered to another worker")
	errEnded    = errors.New("the job has ended")
	errDeadline = errors.New("the job's deadline has passed")
	errTimeout  = fmt.Errorf("the attempt took too long: %w", context.DeadlineExceeded)
	// errHookStopped wraps the error of a test's afterStep; the delivery is left as a crash would leave it.
	errHookStopped = errors.New("stopped after a step")
)

// classes maps each class of fault to a verdict.
var classes = map[fault.Class]verdict{
	fault.Retryable:     verdictRetry,
	fault.Throttled:     verdictWait,
	fault.Misconfigured: verdictWait,
	fault.Permanent:     verdictFail,
	fault.Moderated:     verdictFail,
}

// outcome describes how an attempt ended.
type outcome struct {
	verdict verdict
	fault   *fault.Error
	// faults are the errors of single images of a set, by index.
	faults map[int]*fault.Error
	// code is the code of the job error.
	code string
	// cause is the last earlier error of a job that exceeded its deadline.
	cause *job.Error
}

// judge returns the outcome of an attempt from its error and the cause with which its context ended, nil if it did not.
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

// jobError returns the error to show to the job's client.
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

// missing returns the images of a set that could not be generated.
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

// Error returns the message of the worst fault.
func (s *SetError) Error() string { return s.worst().Error() }

// worst returns the fault that decides the outcome of the set: the job continues as long as one image may still succeed.
// Of equal classes, the first image's fault decides.
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

// delay returns the delay before the attempt that follows n earlier ones. It doubles each time, has jitter, and is never
// shorter than the upstream's Retry-After.
func (c Config) delay(n int, retryAfter time.Duration) time.Duration {
	b := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(min(c.RetryInitialDelay, c.RetryMaxDelay)), backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(0.3), backoff.WithMaxInterval(c.RetryMaxDelay), backoff.WithMaxElapsedTime(0),
	)
	d := b.NextBackOff()
	for range min(n, maxDoublings) {
		d = b.NextBackOff()
	}
	if retryAfter > 0 {
		// The jitter keeps many jobs from coming back at the same time.
		return max(d, retryAfter+time.Duration(float64(d)*0.1))
	}
	return d
}

// openFor returns how long a circuit breaker stays open after a fault with the given code, the trips-th in a row: for the
// upstream's Retry-After, else for a growing delay. An upstream that rejects this installation is called rarely.
func (c Config) openFor(code string, trips int, retryAfter time.Duration) time.Duration {
	switch {
	case retryAfter > 0:
		return retryAfter + time.Millisecond
	case code == job.CodeMisconfigured:
		first := cmp.Or(c.hooks.MisconfiguredDelay, misconfiguredDelay)
		return min(first<<min(max(trips-1, 0), 8), misconfiguredGrowth*first)
	}
	return c.delay(trips-1, 0)
}

const (
	// misconfiguredDelay is the first delay before an upstream that rejects this installation is called again, and
	// misconfiguredGrowth the factor by which it may grow.
	misconfiguredDelay  = 30 * time.Second
	misconfiguredGrowth = 10
)

// maxDoublings is enough to reach any sensible maximum delay.
const maxDoublings = 32

// worst returns the error that keeps a circuit breaker open the longest.
func worst(faults map[int]*fault.Error) *fault.Error {
	rank := []fault.Class{fault.Misconfigured, fault.Throttled, fault.Retryable, fault.Permanent, fault.Moderated}
	return slices.MinFunc(slices.Collect(maps.Values(faults)), func(x, y *fault.Error) int {
		return cmp.Or(slices.Index(rank, x.Class)-slices.Index(rank, y.Class), cmp.Compare(y.RetryAfter, x.RetryAfter))
	})
}

// retryAfter returns the upstream's Retry-After; the longest one of a set, since the next attempt requests every missing
// image.
func retryAfter(o outcome) time.Duration {
	var longest time.Duration
	if o.fault != nil {
		longest = o.fault.RetryAfter
	}
	for _, f := range o.faults {
		longest = max(longest, f.RetryAfter)
	}
	return longest
}

func outcomeLabel(o outcome) string {
	switch {
	case o.verdict == verdictSucceed:
		return "succeeded"
	case o.fault != nil:
		return string(o.fault.Class)
	}
	return string(o.verdict)
}
