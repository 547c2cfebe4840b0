package kit

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rule scripts the responses to some requests. The first rule that matches a
// request applies. A rule without a Fault, Status or Body only delays, holds or
// adds headers to the successful response.
type Rule struct {
	// ID identifies the rule in Rules and in a Call; Script sets it when empty.
	ID string `json:"id,omitempty"`
	// Kind restricts the rule to a kind; empty means image, speech and chat,
	// and with DialectGoogle all of Google.
	Kind Kind `json:"kind,omitempty"`
	// Dialect restricts the rule to an upstream; empty means all.
	Dialect Dialect `json:"dialect,omitempty"`
	// Contains restricts the rule to prompts with this substring. For Google it is
	// matched against the email address of the user, if the request has one.
	Contains string `json:"contains,omitempty"`
	// Times is the number of requests the rule applies to; 0 means until Clear.
	Times int `json:"times,omitempty"`
	// Probability below 1 applies the rule to that share of the matching requests,
	// by a seeded roll; 0 means to all of them.
	Probability float64 `json:"probability,omitempty"`
	// Fault is one of FaultNames.
	Fault string `json:"fault,omitempty"`
	// Status, Headers and Body replace the response. Headers alone are added to
	// any response.
	Status  int               `json:"status,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
	// RetryAfter is the Retry-After of the response, in whole seconds rounded up.
	// For the fault legacy_spacing it is the spacing instead.
	RetryAfter time.Duration `json:"-"`
	// Delay is waited before the response. Cached images and audio files are neither
	// delayed nor held.
	Delay time.Duration `json:"-"`
	// Hold blocks the request, or the generation it started, until Release.
	Hold bool `json:"hold,omitempty"`
}

// Script appends rules. It fails and appends none if a rule has an unknown fault,
// kind or dialect, or a number out of range.
func (s *Server) Script(rules ...Rule) error {
	for n, rule := range rules {
		if err := s.checkRule(rule); err != nil {
			return fmt.Errorf("script rule %d: %w", n, err)
		}
	}
	b := s.rules
	b.Lock()
	defer b.Unlock()
	for _, rule := range rules {
		b.next++
		rule.ID = cmp.Or(rule.ID, "rule-"+strconv.Itoa(b.next))
		added := &activeRule{Rule: rule, book: b, left: -1}
		if rule.Times > 0 {
			added.left = rule.Times
		}
		if rule.Hold {
			added.gate = b.gate
		}
		b.rules = append(b.rules, added)
	}
	return nil
}

func (s *Server) checkRule(r Rule) error {
	var faults []error
	if _, known := s.faults[r.Fault]; r.Fault != "" && !known {
		faults = append(faults, fmt.Errorf("unknown fault %q", r.Fault))
	}
	if r.Kind != "" && !r.Kind.known() {
		faults = append(faults, fmt.Errorf("unknown kind %q", r.Kind))
	}
	if r.Dialect != "" && !slices.ContainsFunc(s.hosts, func(h *Host) bool { return h.Dialect == r.Dialect }) {
		faults = append(faults, fmt.Errorf("unknown dialect %q", r.Dialect))
	}
	if r.Status != 0 && (r.Status < 200 || r.Status > 999) {
		faults = append(faults, fmt.Errorf("status %d is not final", r.Status))
	}
	if r.Fault != "" && (r.Status != 0 || r.Body != "") {
		faults = append(faults, errors.New("a fault has its own status and body"))
	}
	if r.Times < 0 || r.Delay < 0 || r.RetryAfter < 0 || r.Probability < 0 || r.Probability > 1 {
		faults = append(faults, errors.New("a number is out of range"))
	}
	return errors.Join(faults...)
}

// Rules returns the active rules in order, with the remaining Times.
func (s *Server) Rules() []Rule {
	b := s.rules
	b.Lock()
	defer b.Unlock()
	rules := make([]Rule, 0, len(b.rules))
	for _, r := range b.rules {
		rule := r.Rule
		rule.Times = max(r.left, 0)
		rules = append(rules, rule)
	}
	return rules
}

// applyRule responds if the rule that applies has a response of its
// own.
func (x *Exchange) applyRule() (answered bool) {
	m := x.rule
	if m == nil {
		return false
	}
	// Set for any response, as some HTTP clients look at it whatever the status is.
	if m.RetryAfter > 0 && m.Fault != FaultSpacing {
		x.Header().Set("Retry-After", WholeSeconds(m.RetryAfter))
	}
	fault := x.Server.faults[m.Fault]
	if fault == nil && m.Status == 0 && m.Body == "" {
		// Generations wait for the rule themselves.
		return !x.Kind.Generates() && m.wait(x.Context()) != nil
	}
	if m.wait(x.Context()) != nil {
		return true // The client went away; the call is recorded as aborted.
	}
	if fault != nil {
		fault(x)
		return true
	}
	status := m.Status
	status = cmp.Or(status, http.StatusOK)
	contentType := "text/plain; charset=utf-8"
	if strings.HasPrefix(m.Body, "{") || strings.HasPrefix(m.Body, "[") || strings.HasPrefix(m.Body, `"`) {
		contentType = "application/json"
	}
	x.Send(status, contentType, []byte(m.Body))
	return true
}

// Varies reports whether the rule that applies asks for a variation of the
// response.
func (x *Exchange) Varies(fault string) bool { return x.rule != nil && x.rule.Fault == fault }

// Fault returns the name of the fault that applies, or the empty string.
func (x *Exchange) Fault() string {
	if x.rule == nil {
		return ""
	}
	return x.rule.Fault
}

// WaitRule waits for the delay and the release of the rule that applies. It
// fails when the client goes away.
func (x *Exchange) WaitRule() error { return x.rule.wait(x.Context()) }
