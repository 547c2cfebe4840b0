package server

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// submitTimeout is how long a submission waits for NATS to store it. A slow store still accepts submissions that wait; a
// caller that sends Prefer: wait may wait longer.
const submitTimeout = 30 * time.Second

// submissions submits the jobs of all routes that create one.
type submissions struct {
	submitter *jobs.Submitter
	queue     *queue.Queue
	jobs      *jobs.Service
	store     *store.Store
	sessions  *session.Sessions
	owners    *owners
	webhooks  *webhookHandler
	problems  *problem.Writer
	metrics   *telemetry.Metrics
	// maxPending bounds the submissions that wait to be stored, and timeout how long each of them waits.
	maxPending int
	timeout    time.Duration
	pending    ratelimit.Concurrency
}

// submit submits an order. When it returns no error the job is durable.
func (s *submissions) submit(c *gin.Context, caller session.Caller, o *jobs.Order) (*jobs.Submission, error) {
	if err := s.sessions.RequireVerified(caller.Member); err != nil {
		return nil, err
	}
	id, err := s.submitter.Identify(caller.Submitter(c), o)
	if err != nil {
		return nil, err
	}
	withJob(c, id)
	ctx, release, err := s.begin(c, caller)
	if err != nil {
		return nil, err
	}
	defer release()
	if caller.Member != nil && o.WantsDefaultWebhook() {
		w, err := s.webhooks.hooks.Default(ctx, caller.Owner)
		if err != nil {
			return nil, err
		}
		o.SetDefaultWebhook(w)
	}
	if err := s.findReferences(ctx, caller, o, o.Key != ""); err != nil {
		return nil, err
	}
	submitted, err := s.submitter.Submit(ctx, caller.Submitter(c), o)
	if deleted := s.owners.undoSubmissionIfDeleted(c, err); deleted != nil {
		return nil, deleted
	}
	if err != nil {
		return nil, invalidInput("/input", err)
	}
	s.problems.SetUsage(c, submitted.Usage)
	if !submitted.Replayed {
		s.metrics.JobsSubmitted.WithLabelValues(string(o.Kind), string(caller.Lane)).Inc()
	}
	return submitted, nil
}

// begin reserves a pending submission and returns its context, which has a timeout and is not canceled when the caller
// disconnects. It fails with 503 when too many are pending. Once the server begins to stop, or while NATS is disconnected,
// the timeout is that of other requests.
func (s *submissions) begin(c *gin.Context, caller session.Caller) (ctx context.Context, release func(), err error) {
	// Above the limit submissions are rejected at once, so that a slow store does not fill the memory. One address may hold
	// at most half of the limit, so that one caller cannot exhaust it.
	unreserve, _, ok := s.pending.Reserve(s.maxPending, ratelimit.Bound{Key: caller.Address, Max: (s.maxPending + 1) / 2})
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
		unreserve()
	}, nil
}
