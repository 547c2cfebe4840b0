package server

import (
	"cmp"
	"context"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
)

// submitTimeout is how long a submission waits for NATS to store it. A store that is slow, and does not refuse, still takes
// what waits; whoever prefers to wait for the job (Prefer: wait) may wait for longer.
const submitTimeout = 30 * time.Second

// submitting takes a place among the pending submissions and returns the context of the submission, which ends when it has
// waited for as long as it may, and not because its caller goes away. It fails with a 503 when too many wait already. Once
// the server begins to stop, or when NATS is not there to begin with, a submission waits no longer than other requests.
func (s *Server) submitting(c *gin.Context, who session.Caller) (ctx context.Context, leave func(), err error) {
	// Above the limit submissions are refused at once, since a store that falls behind must not fill the memory; and one
	// address may hold half of all places, since one caller must not take every one.
	free, _, ok := s.pending.Reserve(s.cfg.MaxPending, ratelimit.Bound{Key: who.Address, Max: (s.cfg.MaxPending + 1) / 2})
	if !ok {
		return nil, nil, problem.Because(problem.CodeUnavailable, "busy")
	}
	timeout := max(cmp.Or(s.cfg.SubmitTimeout, submitTimeout), prefer(c.Request).wait)
	if !s.deps.Queue.Connected() {
		timeout = lifetime.OperationTimeout
	}
	ctx, cancel := lifetime.Detached(c.Request.Context(), timeout)
	return ctx, func() {
		cancel()
		free()
	}, nil
}
