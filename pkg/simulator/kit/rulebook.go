package kit

import (
	"context"
	"slices"
	"strings"
)

// match is a rule that applies to a request.
type match struct {
	Rule
	gate <-chan struct{} // closed when released; nil without Hold
	book *ruleBook
}

// wait waits for the delay of the rule and then until it is released.
func (m *match) wait(ctx context.Context) error {
	if m == nil {
		return context.Cause(ctx)
	}
	if err := Sleep(ctx, m.Delay); err != nil {
		return err
	}
	if m.gate == nil {
		return nil
	}
	m.book.hold(1)
	defer m.book.hold(-1)
	select {
	case <-m.gate:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// activeRule is a scripted rule.
type activeRule struct {
	Rule
	left int // how often it still applies; negative means without limit
	gate chan struct{}
	open bool
}

func (r *activeRule) release() {
	if r.gate != nil && !r.open {
		close(r.gate)
		r.open = true
	}
}

// ruleBook holds the rules in the order in which they were scripted. Rules that
// no longer apply stay in held until they are released.
type ruleBook struct {
	counters
	next  int
	rules []*activeRule
	held  []*activeRule

	holding int // number of requests and generations held
}

func newRuleBook() *ruleBook { return &ruleBook{counters: newCounters()} }

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
func (s *Server) match(kind Kind, dialect Dialect, prompt string) *match {
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
			if r.gate != nil && !r.open {
				b.held = append(b.held, r)
			}
		}
		return &match{Rule: r.Rule, gate: r.gate, book: b}
	}
	return nil
}

// Release releases everything that rules with Hold block. The rules stay active
// without their hold.
func (s *Server) Release() {
	b := s.rules
	b.Lock()
	defer b.Unlock()
	for _, r := range slices.Concat(b.rules, b.held) {
		r.release()
	}
	b.held = nil
}

// Clear removes all rules and releases what they block.
func (s *Server) Clear() {
	s.Release()
	s.rules.Lock()
	defer s.rules.Unlock()
	for _, r := range s.rules.rules {
		r.release() // It was scripted in between.
	}
	s.rules.rules = nil
}
