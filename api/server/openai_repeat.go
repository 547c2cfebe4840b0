package server

import (
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

const (
	// repeatedWithin is how long after its submission a job can be found by a repeated request. The libraries of OpenAI wait up to ten
	// minutes for a response.
	repeatedWithin = 15 * time.Minute
	// maxClaims bounds how many claims are remembered.
	maxClaims = 4096
)

// retryCount returns how often a library of OpenAI has repeated a request; ok is false for other clients.
func retryCount(c *gin.Context) (count int, ok bool) {
	count, err := strconv.Atoi(c.GetHeader("X-Stainless-Retry-Count"))
	return count, err == nil
}

// findRepeated returns the job of the request that this one repeats, or nil. The libraries of OpenAI repeat requests after timeouts and
// lost connections without an idempotency key, but say that they do. The newest job of the same request whose response nobody has
// received or awaits is then the one that they mean.
func (h *openAIHandler) findRepeated(c *gin.Context, caller session.Caller, o *jobs.Order) (*job.Snapshot, error) {
	if count, _ := retryCount(c); count == 0 || o.Key != "" || !caller.Named() {
		return nil, nil
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	return h.submitter.FindRepeated(ctx, caller.Submitter(c), o, h.now().Add(-repeatedWithin), func(spec *job.Spec) bool {
		return h.claims.take(spec.ID)
	})
}

// claims are the jobs whose response somebody awaits or has received, as far as this process knows.
type claims struct {
	mu    sync.Mutex
	held  map[string]bool
	order []string
}

// take claims a job and reports whether nobody else has.
func (l *claims) take(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held[id] {
		return false
	}
	if l.held == nil {
		l.held = make(map[string]bool)
	}
	l.held[id] = true
	if l.order = append(l.order, id); len(l.order) > maxClaims {
		delete(l.held, l.order[0])
		l.order = l.order[1:]
	}
	return true
}

// release gives up a claim.
func (l *claims) release(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, id)
}
