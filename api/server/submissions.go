package server

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// submitTimeout is how long a submission waits for NATS to store it. A slow store still accepts what waits; a caller
// that prefers to wait for the job (Prefer: wait) can wait longer.
const submitTimeout = 30 * time.Second

// submissions submits the jobs of all routes that create one.
type submissions struct {
	submitter *jobs.Submitter
	queue     *queue.Queue
	sessions  *session.Sessions
	owners    *owners
	problems  *problem.Writer
	metrics   *telemetry.Metrics
	// maxPending bounds the submissions that wait to be stored, and timeout how long each of them waits.
	maxPending int
	timeout    time.Duration
	pending    ratelimit.Concurrency
}

// submit submits an order. When it returns without an error the job is durable.
func (s *submissions) submit(c *gin.Context, who session.Caller, o *jobs.Order) (*jobs.Submission, error) {
	if err := s.sessions.RequireVerified(who.Member); err != nil {
		return nil, err
	}
	id, err := s.submitter.Identify(who.Submitter(c), o)
	if err != nil {
		return nil, err
	}
	withJob(c, id)
	ctx, leave, err := s.begin(c, who)
	if err != nil {
		return nil, err
	}
	defer leave()
	submitted, err := s.submitter.Submit(ctx, who.Submitter(c), o)
	if gone := s.owners.undoSubmissionIfDeleted(c, err); gone != nil {
		return nil, gone
	}
	if err != nil {
		return nil, err
	}
	s.problems.SetUsage(c, submitted.Usage)
	if !submitted.Replayed {
		s.metrics.JobsSubmitted.WithLabelValues(string(o.Kind), string(who.Lane)).Inc()
	}
	return submitted, nil
}

// begin reserves a pending submission and returns its context, which ends when it has waited long enough, and not when
// its caller disconnects. It fails with a 503 when too many are pending. Once the server begins to stop, or if NATS is
// not connected, a submission waits no longer than other requests.
func (s *submissions) begin(c *gin.Context, who session.Caller) (ctx context.Context, leave func(), err error) {
	// Above the limit submissions are refused at once, since a store that falls behind must not fill the memory; and one
	// address may hold half of all places, since one caller must not take every one.
	free, _, ok := s.pending.Reserve(s.maxPending, ratelimit.Bound{Key: who.Address, Max: (s.maxPending + 1) / 2})
	if !ok {
		return nil, nil, problem.Because(problem.CodeUnavailable, "busy")
	}
	timeout := max(s.timeout, prefer(c.Request).wait)
	if !s.queue.Connected() {
		timeout = lifetime.OperationTimeout
	}
	ctx, cancel := lifetime.Detached(c.Request.Context(), timeout)
	return ctx, func() {
		cancel()
		free()
	}, nil
}

// retryNotAccepting and maxRetryNotAccepting are the Retry-After of a submission while the operator accepts none, in
// seconds: when no end is known, and at most, since the operator may end it earlier.
const (
	retryNotAccepting    = 60
	maxRetryNotAccepting = 3600
)

// checkAccepting fails while the operator accepts no jobs.
func checkAccepting(control *control.Controller, now time.Time) error {
	sw, accepting := control.View().Accepting(now)
	if accepting {
		return nil
	}
	p := &problem.Problem{Code: problem.CodeSubmissionsStopped, RetryAfter: retryNotAccepting, Args: map[string]string{"reason": sw.Reason}}
	if sw.Reason != "" {
		p.Reason = "reason"
	}
	if !sw.Until.IsZero() {
		left := sw.Until.Sub(now)
		p.RetryAfter = max(1, min(int((left+time.Second-1)/time.Second), maxRetryNotAccepting))
		p.Extra = map[string]any{"until": sw.Until}
	}
	return p
}
