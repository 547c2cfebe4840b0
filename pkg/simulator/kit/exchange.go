package kit

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	maxURL  = 8 << 10
	maxBody = 20 << 20
)

// Exchange is one request and its response.
type Exchange struct {
	Server  *Server
	Host    *Host
	Kind    Kind
	Request *http.Request
	Query   url.Values
	Body    []byte
	Rest    string // the escaped path behind the prefix of an open route

	InJSON     bool           // speech travels within JSON
	Parameters any            // what a failure repeats of the request, or nil
	Fields     map[string]any // what a Call shows of a body that is not JSON, or nil

	w       http.ResponseWriter
	call    uint64
	rule    *activeRule // the rule that applies, or nil
	ended   bool        // the call is recorded as finished or aborted
	partial bool        // the response was not sent completely
}

// serve serves one request.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	x := &Exchange{Server: s, Host: s.host(r.URL.Path), Request: r, w: w}
	if len(r.RequestURI) > maxURL {
		x.Page(http.StatusBadRequest, "400 Bad Request", "The request line is too long.")
		return
	}
	// Like the upstreams, drop semicolons and bad escapes in a query.
	x.Query, _ = url.ParseQuery(r.URL.RawQuery)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		x.Fail(Failure{Status: http.StatusRequestEntityTooLarge, Code: "PAYLOAD_TOO_LARGE", Message: "Request body too large."})
		return
	}
	if err != nil {
		return // The client went away while sending.
	}
	x.Body = body
	defer x.end()
	x.dispatch()
}

// Arrive records the call and responds if the key is missing or a rule
// applies. It reports whether the handler has to continue.
func (x *Exchange) Arrive(model, prompt, system string) bool {
	query := maps.Clone(x.Query)
	for _, secret := range []string{"key", "token", "id_token", "access_token"} {
		if query.Has(secret) {
			query.Set(secret, "***")
		}
	}
	call := Call{
		Kind: x.Kind, Dialect: x.Host.Dialect, Method: x.Request.Method, Path: x.Request.URL.EscapedPath(), Query: query,
		Model: model, Prompt: prompt, System: system, Started: x.Server.Config.Now(), Outcome: OutcomeRunning,
		size: 256 + len(x.Request.RequestURI) + 2*len(x.Body),
	}
	// A body that is not a JSON object has no fields to show.
	_ = json.Unmarshal(x.Body, &call.Body)
	if x.Fields != nil {
		call.Body = x.Fields
	}
	x.call = x.Server.calls.add(call)
	if x.Kind.Generates() && !x.Host.Authorize(x) {
		return false
	}
	x.rule = x.Server.match(x.Kind, x.Host.Dialect, prompt)
	if x.rule != nil {
		x.record(func(c *Call) { c.Rule = x.rule.ID })
	}
	return !x.applyRule() && (x.Host.Intercept == nil || !x.Host.Intercept(x))
}

// JSON returns the handler of a route that generates nothing: it records the call,
// checks the key if the route needs one, and sends the value as JSON.
func JSON(needsKey bool, value func(*Exchange) any) func(*Exchange) {
	return func(x *Exchange) {
		if x.Arrive("", "", "") && (!needsKey || x.Host.Authorize(x)) {
			x.SendJSON(http.StatusOK, value(x))
		}
	}
}

// BearerKey returns the key in the header Authorization. It is empty if there is
// none; wellFormed reports whether the header is absent or correct.
func (x *Exchange) BearerKey() (key string, wellFormed bool) {
	header := x.Request.Header.Get("Authorization")
	scheme, token, _ := strings.Cut(header, " ")
	if token = strings.TrimSpace(token); strings.EqualFold(scheme, "Bearer") && token != "" {
		return token, true
	}
	return "", header == ""
}

// Accepts reports whether a key is one of the configured keys, or any key that is
// not blank if none are configured.
func (x *Exchange) Accepts(key string) bool {
	keys := x.Server.Config.Keys
	return key != "" && (len(keys) == 0 || slices.Contains(keys, key))
}

// Address returns the address of the client without its port.
func (x *Exchange) Address() string {
	host, _, err := net.SplitHostPort(x.Request.RemoteAddr)
	if err != nil {
		return x.Request.RemoteAddr
	}
	return host
}

// Context returns the context of the request.
func (x *Exchange) Context() context.Context { return x.Request.Context() }

// Pause waits for a random duration of a range. It fails when the client goes
// away.
func (x *Exchange) Pause(d Delay) error {
	lifecycle.Sleep(x.Context(), x.Server.random.duration(d))
	return context.Cause(x.Context())
}

// record changes the recorded call.
func (x *Exchange) record(change func(*Call)) {
	if x.call != 0 {
		x.Server.calls.amend(x.call, change)
	}
}

// Finish records the call as finished. It is called just before the last bytes
// are written, so that the record is complete once the client has read its
// response.
func (x *Exchange) Finish(status int) {
	x.ended = true
	x.record(func(c *Call) { c.Outcome, c.Status, c.Finished = OutcomeFinished, status, x.Server.Config.Now() })
}

// Abort records that the response did not reach the client.
func (x *Exchange) Abort() {
	x.ended, x.partial = true, true
	x.record(func(c *Call) { c.Outcome, c.Finished = OutcomeAborted, x.Server.Config.Now() })
}

// end records a call whose handler returned without a response, and closes the
// connection if the response is not complete: the HTTP server would end it as if
// it were.
func (x *Exchange) end() {
	if !x.ended {
		x.Abort()
	}
	if x.partial {
		panic(http.ErrAbortHandler)
	}
}
