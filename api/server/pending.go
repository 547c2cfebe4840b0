package server

import (
	"cmp"
	"context"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
)

// submitTimeout is how long a submission waits for NATS to store it. A store that is slow, and does not refuse, still takes
// what waits; whoever prefers to wait for the job (Prefer: wait) may wait for longer.
const submitTimeout = 30 * time.Second

// pending bounds the submissions of this process that wait to be stored, in all and by address. Beyond that they are
// refused at once: a store that falls behind must not fill the memory, and one caller must not take every place.
type pending struct {
	mu        sync.Mutex
	max       int
	all       int
	byAddress map[string]int
}

func newPending(most int) *pending {
	return &pending{max: most, byAddress: make(map[string]int)}
}

// enter takes a place until leave is called; ok is false when there is none left. One address gets half of all places.
func (p *pending) enter(address string) (leave func(), ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.all >= p.max || p.byAddress[address] >= (p.max+1)/2 {
		return nil, false
	}
	p.all++
	p.byAddress[address]++
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.all--
		if p.byAddress[address]--; p.byAddress[address] == 0 {
			delete(p.byAddress, address)
		}
	}, true
}

// submitting takes a place among the pending submissions and returns the context of the submission, which ends when it has
// waited for as long as it may, and not because its caller goes away. It fails with a 503 when too many wait already. Once
// the server begins to stop, or when NATS is not there to begin with, a submission waits no longer than other requests.
func (s *Server) submitting(c *gin.Context, who caller) (ctx context.Context, leave func(), err error) {
	free, ok := s.pending.enter(who.address)
	if !ok {
		return nil, nil, &problem{code: codeUnavailable, reason: "busy", retryAfter: retryUnavailable}
	}
	timeout := max(cmp.Or(s.cfg.SubmitTimeout, submitTimeout), prefer(c.Request).wait)
	if !s.deps.Queue.Connected() {
		timeout = operationTimeout
	}
	request := c.Request.Context()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(request), timeout)
	base, ok := request.Value(stoppingKey{}).(context.Context)
	if !ok {
		base = context.Background()
	}
	detach := context.AfterFunc(base, func() {
		timer := time.NewTimer(operationTimeout)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		detach()
		cancel()
		free()
	}, nil
}
