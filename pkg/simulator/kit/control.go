package kit

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

	"github.com/text2image-audio/text2image-audio/pkg/hostname"
)

// controlPrefix is the prefix of the routes that script the simulator over HTTP.
const controlPrefix = "/_control/"

func controlRoutes() []Route {
	return []Route{
		{http.MethodGet, "rules", "", (*Exchange).listRules},
		{http.MethodPost, "rules", "", (*Exchange).addRules},
		{http.MethodDelete, "rules", "", (*Exchange).clearRules},
		{http.MethodPost, "release", "", (*Exchange).releaseHeld},
		{http.MethodGet, "calls", "", (*Exchange).listCalls},
		{http.MethodDelete, "calls", "", (*Exchange).forgetCalls},
		{http.MethodGet, "faults", "", (*Exchange).listFaults},
		{http.MethodGet, "upstreams", "", (*Exchange).listUpstreams},
	}
}

// ruleJSON is a Rule on the wire, with durations in milliseconds.
type ruleJSON struct {
	Rule
	RetryAfterMS int64 `json:"retry_after_ms,omitempty"`
	DelayMS      int64 `json:"delay_ms,omitempty"`
}

// mayControl admits programs of this machine only. It checks the Host, so that
// no web page reaches the control routes by DNS rebinding, and the Content-Type,
// so that none can post to them without a preflight request.
func (x *Exchange) mayControl() bool {
	host, _, err := net.SplitHostPort(x.Request.Host)
	if err != nil {
		host = x.Request.Host
	}
	if !hostname.IsLoopback(x.Address()) || !hostname.IsLoopback(host) || x.Request.Header.Get("Origin") != "" {
		x.ControlError(http.StatusForbidden, errors.New("control routes serve programs of this machine only"))
		return false
	}
	if x.Request.Method == http.MethodPost {
		if mediaType, _, err := mime.ParseMediaType(x.Request.Header.Get("Content-Type")); err != nil || mediaType != "application/json" {
			x.ControlError(http.StatusUnsupportedMediaType, errors.New("the body must be application/json"))
			return false
		}
	}
	return true
}

// ControlError writes an error of a control route.
func (x *Exchange) ControlError(status int, err error) {
	x.SendJSON(status, map[string]string{"error": err.Error()})
}

func (x *Exchange) listRules() {
	rules := []ruleJSON{}
	for _, r := range x.Server.Rules() {
		rules = append(rules, ruleJSON{Rule: r, RetryAfterMS: r.RetryAfter.Milliseconds(), DelayMS: r.Delay.Milliseconds()})
	}
	x.SendJSON(http.StatusOK, map[string]any{"rules": rules})
}

// addRules adds one rule or an array of rules.
func (x *Exchange) addRules() {
	body := bytes.TrimSpace(x.Body)
	if len(body) == 0 {
		x.ControlError(http.StatusBadRequest, errors.New("the body must hold a rule or an array of rules"))
		return
	}
	if !bytes.HasPrefix(body, []byte("[")) {
		body = append(append([]byte("["), body...), ']')
	}
	x.Body = body
	var wire []ruleJSON
	if !x.ReadControl("rules", &wire) {
		return
	}
	rules := make([]Rule, len(wire))
	for n, r := range wire {
		rules[n] = r.Rule
		rules[n].RetryAfter, rules[n].Delay = time.Duration(r.RetryAfterMS)*time.Millisecond, time.Duration(r.DelayMS)*time.Millisecond
	}
	if err := x.Server.Script(rules...); err != nil {
		x.ControlError(http.StatusBadRequest, err)
		return
	}
	x.listRules()
}

func (x *Exchange) clearRules() {
	x.Server.Clear()
	x.listRules()
}

func (x *Exchange) releaseHeld() {
	x.Server.Release()
	x.listRules()
}

// listCalls returns the latest calls, at most limit (100 by default), optionally
// of one kind.
func (x *Exchange) listCalls() {
	limit := 100
	if text := x.Query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			x.ControlError(http.StatusBadRequest, errors.New("limit must be a positive number"))
			return
		}
		limit = n
	}
	calls := x.Server.Calls(Kind(x.Query.Get("kind")))
	x.SendJSON(http.StatusOK, map[string]any{"total": len(calls), "calls": append([]Call{}, calls[max(0, len(calls)-limit):]...)})
}

func (x *Exchange) forgetCalls() {
	x.Server.ForgetCalls()
	x.SendJSON(http.StatusOK, map[string]any{"total": 0, "calls": []Call{}})
}

func (x *Exchange) listFaults() {
	x.SendJSON(http.StatusOK, map[string]any{"faults": x.Server.FaultNames()})
}

// listUpstreams returns the base URL of every upstream, as clients configure it.
func (x *Exchange) listUpstreams() {
	urls := map[Dialect]string{}
	for _, host := range x.Server.hosts {
		urls[host.Dialect] = "http://" + x.Request.Host + host.BasePath
	}
	x.SendJSON(http.StatusOK, urls)
}

// ReadControl decodes the body of a control route strictly. If that fails it
// writes an error and returns false.
func (x *Exchange) ReadControl(what string, into any) bool {
	decoder := json.NewDecoder(bytes.NewReader(x.Body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		x.ControlError(http.StatusBadRequest, fmt.Errorf("read %s: %w", what, err))
		return false
	}
	return true
}
