package simulator

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const (
	maxURL  = 8 << 10
	maxBody = 20 << 20
)

// exchange is one request on its way to its answer.
type exchange struct {
	s       *Simulator
	w       http.ResponseWriter
	r       *http.Request
	dialect Dialect
	kind    Kind
	rest    string // the escaped path behind the route's prefix
	query   url.Values
	body    []byte
	form    url.Values // the fields of a form for Google, or nil
	call    uint64
	rule    *match // the rule that matched, or nil
	params  any    // what a legacy failure repeats of the request, or nil
	spoken  bool   // the sound asked for travels within JSON
	plain   bool   // a chat is answered with its text alone
	ended   bool   // the call is on record as answered or aborted
	lost    bool   // the answer did not go out in full
}

// serve answers one request.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request) {
	x := &exchange{s: s, w: w, r: r, dialect: dialectOf(r.URL.Path)}
	if len(r.RequestURI) > maxURL {
		x.page(http.StatusBadRequest, "400 Bad Request", "The request line is too long.")
		return
	}
	// Semicolons and bad escapes in a query are dropped, not refused, as upstream does.
	x.query, _ = url.ParseQuery(r.URL.RawQuery)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		x.refuse(failure{status: http.StatusRequestEntityTooLarge, code: "PAYLOAD_TOO_LARGE", message: "Request body too large."})
		return
	}
	if err != nil {
		return // The client went away while sending.
	}
	x.body = body
	defer x.settle()
	x.dispatch()
}

// arrive records the call once its prompt is known and answers it when the
// key is missing or a rule says so. It reports whether the handler goes on.
func (x *exchange) arrive(model, prompt, system string) bool {
	query := maps.Clone(x.query)
	for _, secret := range []string{"key", "token", "id_token", "access_token"} {
		if query.Has(secret) {
			query.Set(secret, "***")
		}
	}
	call := Call{
		Kind: x.kind, Dialect: x.dialect, Method: x.r.Method, Path: x.r.URL.EscapedPath(), Query: query,
		Model: model, Prompt: prompt, System: system, Started: x.s.config.Now(), Outcome: OutcomeRunning,
		size: 256 + len(x.r.RequestURI) + 2*len(x.body),
	}
	// A body that is no JSON object simply has no fields to show.
	_ = json.Unmarshal(x.body, &call.Body)
	if x.form != nil {
		call.Body = showForm(x.form)
	}
	x.call = x.s.calls.add(call)
	if x.kind.generates() && !x.authorize() {
		return false
	}
	x.rule = x.s.match(x.kind, x.dialect, prompt)
	if x.rule != nil {
		x.note(func(c *Call) { c.Rule = x.rule.ID })
	}
	return !x.obey() && !x.refusesToken()
}

// note amends the record of this call.
func (x *exchange) note(change func(*Call)) {
	if x.call != 0 {
		x.s.calls.amend(x.call, change)
	}
}

// finish records the call as answered. It is called just before the last
// bytes are written, so that a client that has read its answer finds the
// record complete.
func (x *exchange) finish(status int) {
	x.ended = true
	x.note(func(c *Call) { c.Outcome, c.Status, c.Finished = OutcomeFinished, status, x.s.config.Now() })
}

// abort records that the answer did not reach the client.
func (x *exchange) abort() {
	x.ended, x.lost = true, true
	x.note(func(c *Call) { c.Outcome, c.Finished = OutcomeAborted, x.s.config.Now() })
}

// settle records a call whose handler returned without an answer, and breaks
// the connection when the answer is not whole: the server would end it as if
// it were.
func (x *exchange) settle() {
	if !x.ended {
		x.abort()
	}
	if x.lost {
		panic(http.ErrAbortHandler)
	}
}

// send writes a whole answer. The rule that matched may add headers or
// spoil the body.
func (x *exchange) send(status int, contentType string, body []byte) {
	header := x.w.Header()
	header.Set("Content-Type", contentType)
	for name, value := range x.ruleHeaders() {
		header.Set(name, value)
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	switch {
	case x.behaves(faultTruncated), x.behaves(faultStalled):
		x.cutOff(status, body)
		return
	case x.behaves(faultEmpty):
		header.Set("Content-Length", "0")
		body = nil
	}
	x.finish(status)
	x.w.WriteHeader(status)
	if x.r.Method == http.MethodHead {
		return
	}
	if _, err := x.w.Write(body); err != nil {
		x.abort()
	}
}

// ruleHeaders are the headers that the rule that matched adds.
func (x *exchange) ruleHeaders() map[string]string {
	if x.rule == nil {
		return nil
	}
	return x.rule.Headers
}

// sendJSON writes a value as an answer.
func (x *exchange) sendJSON(status int, value any) {
	x.send(status, "application/json", encode(value))
}

// encode renders a value without escaping HTML characters, as the upstreams do.
func encode(value any) []byte {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic("encode an answer of the simulator: " + err.Error()) // Only our own plain types come here.
	}
	return []byte(strings.TrimSuffix(out.String(), "\n"))
}
