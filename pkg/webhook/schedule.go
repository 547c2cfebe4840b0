package webhook

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// jitter is the largest share of a delay that is added to it or taken from it, so that deliveries that failed together are not
	// repeated together.
	jitter = 0.1
	// maxRetryAfter bounds what a receiver may ask for: the longest delay of the schedule.
	maxRetryAfter = 24 * time.Hour
)

// schedule returns the delays before the second and every later attempt, those of Standard Webhooks: over three days.
func schedule() []time.Duration {
	return []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour,
		24 * time.Hour,
	}
}

// result is the outcome of one attempt.
type result struct {
	status  int
	failure Failure
	// retryAfter is what the receiver asked for with 429 or 503.
	retryAfter time.Duration
}

// retryAfter returns the time in the header Retry-After of a response, in seconds or as a date, bounded by maxRetryAfter.
func retryAfter(status int, header http.Header, now time.Time) time.Duration {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return 0
	}
	value := strings.TrimSpace(header.Get("Retry-After"))
	if n, err := strconv.ParseFloat(value, 64); err == nil && n > 0 {
		return time.Duration(min(n, maxRetryAfter.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(0, at.Sub(now)), maxRetryAfter)
	}
	return 0
}

// conclude changes a delivery after an attempt. random is from 0 to 1.
func (d *Delivery) conclude(r result, now time.Time, delays []time.Duration, random float64) {
	d.Attempts++
	d.Tries++
	d.LastAttemptAt, d.LastStatus, d.LastFailure, d.NextAttemptAt = job.AtPtr(now), r.status, r.failure, nil
	switch {
	case r.failure == FailureNone:
		d.State = StateDelivered
	case r.status == http.StatusGone:
		d.State = StateDisabled
	case d.Event == EventPing || d.Tries > len(delays):
		d.State = StateFailed
	default:
		delay := float64(delays[d.Tries-1]) * (1 + jitter*(2*random-1))
		d.NextAttemptAt = job.AtPtr(now.Add(max(time.Duration(delay), r.retryAfter)))
	}
}

// restart makes a delivery due again, with the whole schedule before it.
func (d *Delivery) restart(now time.Time) {
	d.State, d.Tries, d.NextAttemptAt = StatePending, 0, job.AtPtr(now)
}
