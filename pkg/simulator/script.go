package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Rule scripts the answers to some requests. The first rule that matches a
// request decides; a rule that neither names a Fault nor gives a Status or a
// Body only delays, holds or decorates the good answer.
type Rule struct {
	// ID names the rule in Rules and in a Call; Script sets it when empty.
	ID string
	// Kind restricts the rule to a kind; empty means image, speech and chat,
	// and with DialectGoogle all of Google.
	Kind Kind
	// Dialect restricts the rule to an upstream; empty means all.
	Dialect Dialect
	// Contains restricts the rule to prompts with this part. At Google it is
	// the e-mail address of whoever signs in, where a request tells it.
	Contains string
	// Times is how many requests the rule applies to; 0 means until cleared.
	Times int
	// Probability below 1 applies the rule to that share of the requests that
	// match, by a seeded roll; 0 means to all of them.
	Probability float64
	// Fault names a fault or a manner from FaultNames.
	Fault string
	// Status, Headers and Body replace the answer. Headers alone are added to
	// whatever is answered.
	Status  int
	Headers map[string]string
	Body    string
	// RetryAfter is the Retry-After of the answer, in whole seconds rounded up;
	// of the fault legacy_spacing it is the spacing instead.
	RetryAfter time.Duration
	// Delay comes before the answer. Pictures and sound that are already in
	// the cache are neither delayed nor held.
	Delay time.Duration
	// Hold keeps the request, or the generation it began, until Release.
	Hold bool
}

// Script adds rules behind those in force. It fails, adding none, when a rule
// names an unknown fault, kind or dialect, or has a number out of range.
func (s *Simulator) Script(rules ...Rule) error {
	for n, rule := range rules {
		if err := s.checkRule(rule); err != nil {
			return fmt.Errorf("script rule %d: %w", n, err)
		}
	}
	b := s.rules
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, rule := range rules {
		b.next++
		if rule.ID == "" {
			rule.ID = "rule-" + strconv.Itoa(b.next)
		}
		added := &standing{Rule: rule, left: -1}
		if rule.Times > 0 {
			added.left = rule.Times
		}
		if rule.Hold {
			added.gate = make(chan struct{})
		}
		b.rules = append(b.rules, added)
	}
	return nil
}

func (s *Simulator) checkRule(r Rule) error {
	var faults []error
	if _, known := s.faults[r.Fault]; r.Fault != "" && !known {
		faults = append(faults, fmt.Errorf("unknown fault %q", r.Fault))
	}
	if r.Kind != "" && !r.Kind.known() {
		faults = append(faults, fmt.Errorf("unknown kind %q", r.Kind))
	}
	if r.Dialect != "" && !r.Dialect.known() {
		faults = append(faults, fmt.Errorf("unknown dialect %q", r.Dialect))
	}
	if r.Status != 0 && (r.Status < 200 || r.Status > 999) {
		faults = append(faults, fmt.Errorf("status %d is not a final one", r.Status))
	}
	if r.Fault != "" && (r.Status != 0 || r.Body != "") {
		faults = append(faults, errors.New("a fault brings its own status and body"))
	}
	if r.Times < 0 || r.Delay < 0 || r.RetryAfter < 0 || r.Probability < 0 || r.Probability > 1 {
		faults = append(faults, errors.New("a number is out of range"))
	}
	return errors.Join(faults...)
}

// Rules returns the rules in force, in order, with what is left of Times.
func (s *Simulator) Rules() []Rule {
	b := s.rules
	b.mu.Lock()
	defer b.mu.Unlock()
	rules := make([]Rule, 0, len(b.rules))
	for _, r := range b.rules {
		rule := r.Rule
		rule.Times = max(r.left, 0)
		rules = append(rules, rule)
	}
	return rules
}

// obey answers the exchange when the rule that matched gives a whole answer.
func (x *exchange) obey() (answered bool) {
	m := x.rule
	if m == nil {
		return false
	}
	// A reason for HTTP clients that look at it whatever the answer is.
	if m.RetryAfter > 0 && m.Fault != faultSpacing {
		x.w.Header().Set("Retry-After", wholeSeconds(m.RetryAfter))
	}
	answer := x.s.faults[m.Fault]
	if answer == nil && m.Status == 0 && m.Body == "" {
		// The good answers of the generating kinds wait on their own.
		return !x.kind.generates() && m.wait(x.r.Context()) != nil
	}
	if m.wait(x.r.Context()) != nil {
		return true // The client went away; the exchange is recorded as aborted.
	}
	if answer != nil {
		answer(x)
		return true
	}
	status := m.Status
	if status == 0 {
		status = http.StatusOK
	}
	contentType := "text/plain; charset=utf-8"
	if strings.HasPrefix(m.Body, "{") || strings.HasPrefix(m.Body, "[") || strings.HasPrefix(m.Body, `"`) {
		contentType = "application/json"
	}
	x.send(status, contentType, []byte(m.Body))
	return true
}

// behaves reports whether the rule that matched asks for a manner of
// answering rather than for an answer of its own.
func (x *exchange) behaves(manner string) bool { return x.rule != nil && x.rule.Fault == manner }

// wholeSeconds renders a Retry-After, rounded up.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
