package simulator

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"strconv"
	"time"
)

// controlPrefix is where a demo scripts the simulator over HTTP.
const controlPrefix = "/_control/"

// ruleJSON is a Rule on the wire, with durations in milliseconds.
type ruleJSON struct {
	ID           string            `json:"id,omitempty"`
	Kind         Kind              `json:"kind,omitempty"`
	Dialect      Dialect           `json:"dialect,omitempty"`
	Contains     string            `json:"contains,omitempty"`
	Times        int               `json:"times,omitempty"`
	Probability  float64           `json:"probability,omitempty"`
	Fault        string            `json:"fault,omitempty"`
	Status       int               `json:"status,omitempty"`
	Headers      map[string]string `json:"headers,omitempty"`
	Body         string            `json:"body,omitempty"`
	RetryAfterMS int64             `json:"retry_after_ms,omitempty"`
	DelayMS      int64             `json:"delay_ms,omitempty"`
	Hold         bool              `json:"hold,omitempty"`
}

func (r ruleJSON) rule() Rule {
	return Rule{
		ID: r.ID, Kind: r.Kind, Dialect: r.Dialect, Contains: r.Contains, Times: r.Times, Probability: r.Probability,
		Fault: r.Fault, Status: r.Status, Headers: r.Headers, Body: r.Body, Hold: r.Hold,
		RetryAfter: time.Duration(r.RetryAfterMS) * time.Millisecond, Delay: time.Duration(r.DelayMS) * time.Millisecond,
	}
}

func ruleToJSON(r Rule) ruleJSON {
	return ruleJSON{
		ID: r.ID, Kind: r.Kind, Dialect: r.Dialect, Contains: r.Contains, Times: r.Times, Probability: r.Probability,
		Fault: r.Fault, Status: r.Status, Headers: r.Headers, Body: r.Body, Hold: r.Hold,
		RetryAfterMS: r.RetryAfter.Milliseconds(), DelayMS: r.Delay.Milliseconds(),
	}
}

// mayControl admits programs of this machine only. The Host is looked at so
// that no web page reaches the control routes through a name it rebinds, and
// the Content-Type so that none posts to them without asking first.
func (x *exchange) mayControl() bool {
	host, _, err := net.SplitHostPort(x.r.Host)
	if err != nil {
		host = x.r.Host
	}
	if !isLoopback(x.address()) || !isLoopback(host) || x.r.Header.Get("Origin") != "" {
		x.controlError(http.StatusForbidden, errors.New("control routes serve programs of this machine only"))
		return false
	}
	if x.r.Method == http.MethodPost {
		if mediaType, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
			x.controlError(http.StatusUnsupportedMediaType, errors.New("the body must be application/json"))
			return false
		}
	}
	return true
}

func (x *exchange) controlError(status int, err error) {
	x.sendJSON(status, map[string]string{"error": err.Error()})
}

func (x *exchange) listRules() {
	rules := []ruleJSON{}
	for _, r := range x.s.Rules() {
		rules = append(rules, ruleToJSON(r))
	}
	x.sendJSON(http.StatusOK, map[string]any{"rules": rules})
}

// addRules takes one rule or an array of them.
func (x *exchange) addRules() {
	body := bytes.TrimSpace(x.body)
	if len(body) == 0 {
		x.controlError(http.StatusBadRequest, errors.New("the body must hold a rule or an array of rules"))
		return
	}
	if !bytes.HasPrefix(body, []byte("[")) {
		body = append(append([]byte("["), body...), ']')
	}
	var wire []ruleJSON
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&wire); err != nil {
		x.controlError(http.StatusBadRequest, fmt.Errorf("read rules: %w", err))
		return
	}
	rules := make([]Rule, len(wire))
	for n, r := range wire {
		rules[n] = r.rule()
	}
	if err := x.s.Script(rules...); err != nil {
		x.controlError(http.StatusBadRequest, err)
		return
	}
	x.listRules()
}

func (x *exchange) clearRules() {
	x.s.Clear()
	x.listRules()
}

func (x *exchange) releaseHeld() {
	x.s.Release()
	x.listRules()
}

// listCalls returns the latest calls, at most limit of them (100 by default),
// optionally of one kind.
func (x *exchange) listCalls() {
	limit := 100
	if text := x.query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			x.controlError(http.StatusBadRequest, errors.New("limit must be a positive number"))
			return
		}
		limit = n
	}
	calls := x.s.Calls(Kind(x.query.Get("kind")))
	x.sendJSON(http.StatusOK, map[string]any{"total": len(calls), "calls": append([]Call{}, calls[max(0, len(calls)-limit):]...)})
}

func (x *exchange) forgetCalls() {
	x.s.ForgetCalls()
	x.sendJSON(http.StatusOK, map[string]any{"total": 0, "calls": []Call{}})
}

func (x *exchange) listFaults() {
	x.sendJSON(http.StatusOK, map[string]any{"faults": x.s.FaultNames()})
}

// listUpstreams tells the base address of every upstream, as the settings of
// a client want it.
func (x *exchange) listUpstreams() {
	base := "http://" + x.r.Host
	x.sendJSON(http.StatusOK, map[Dialect]string{
		DialectPollinations: base, DialectDeepSeek: base + deepSeekPrefix, DialectSiliconFlow: base + siliconFlowPrefix + "/v1",
		DialectLegacyImage: base + legacyImagePrefix, DialectLegacyText: base + legacyTextPrefix,
		DialectGoogle: base + googlePrefix,
	})
}
