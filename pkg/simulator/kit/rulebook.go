package kit

import (
	"context"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// activeRule is a scripted rule.
type activeRule struct {
	Rule
	book *ruleBook
	left int             // how often it still applies; negative means without limit
	gate <-chan struct{} // closed when released; nil without Hold
}

// wait waits for the delay of the rule and then until it is released.
func (r *activeRule) wait(ctx context.Context) error {
	if r == nil {
		return context.Cause(ctx)
	}
	if !lifecycle.Sleep(ctx, r.Delay) || r.gate == nil {
		return context.Cause(ctx)
	}
	r.book.hold(1)
	defer r.book.hold(-1)
	select {
	case <-r.gate:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// ruleBook holds the rules in the order in which they were scripted.
type ruleBook struct {
	counters
	next    int
	rules   []*activeRule
	gate    chan struct{} // of the rules with Hold that are scripted before the next Release
	holding int           // number of requests and generations held
}

func newRuleBook() *ruleBook { return &ruleBook{counters: newCounters(), gate: make(chan struct{})} }

// hold changes the number of held requests and generations.
func (b *ruleBook) hold(change int) {
	b.Lock()
	defer b.Unlock()
	b.holding += change
	b.wake()
}

// WaitHeld waits until n requests or generations are held by rules with Hold. It
// fails when ctx ends first.
func (s *Server) WaitHeld(ctx context.Context, n int) error {
	b := s.rules
	return b.wait(ctx, n, "held requests", func() int { return b.holding })
}

// match finds the rule for a request and decrements its Times.
func (s *Server) match(kind Kind, dialect Dialect, prompt string) *activeRule {
	b := s.rules
	b.Lock()
	defer b.Unlock()
	for n, r := range b.rules {
		anyKind := kind.Generates() || r.Dialect == DialectGoogle
		wrongKind := r.Kind != kind && (r.Kind != "" || !anyKind)
		if wrongKind || (r.Dialect != "" && r.Dialect != dialect) || !strings.Contains(prompt, r.Contains) {
			continue
		}
		if r.Probability > 0 && r.Probability < 1 && !s.random.hit(r.Probability) {
			continue
		}
		if r.left > 0 {
			r.left--
		}
		if r.left == 0 {
			b.rules = slices.Delete(b.rules, n, n+1)
		}
		return r
	}
	return nil
}

// Release releases everything that rules with Hold block. The rules stay active
// without their hold.
func (s *Server) Release() { s.release(false) }

// Clear removes all rules and releases what they block.
func (s *Server) Clear() { s.release(true) }

func (s *Server) release(remove bool) {
	b := s.rules
	b.Lock()
	defer b.Unlock()
	close(b.gate)
	b.gate = make(chan struct{})
	if remove {
		b.rules = nil
	}
}
