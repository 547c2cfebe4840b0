package upstream

import (
	"bytes"
	"encoding/json"
	"html"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// envelope is the content of an error body, in any of the upstreams' formats.
type envelope struct {
	message string
	// code and kind are the upstream's code and type of the error ("BAD_REQUEST", "safety_error"); either may be empty.
	code, kind string
	// status is the status in the body, 0 without one. An error may be sent with HTTP status 200.
	status    int
	requestID string
	// fields are the names of invalid parameters.
	fields []string
	// after is the retry delay in the body, in seconds.
	after float64
	// markup is set if the body is an HTML page.
	markup bool
}

// wireEnvelope has the members of all JSON formats. Members whose type differs between upstreams are raw.
type wireEnvelope struct {
	Error             json.RawMessage `json:"error"`
	Code              json.RawMessage `json:"code"`
	Message           json.RawMessage `json:"message"`
	Status            json.RawMessage `json:"status"`
	RequestID         json.RawMessage `json:"requestId"`
	RetryAfterSeconds json.RawMessage `json:"retryAfterSeconds"`
}

// wireError is the member "error" if it is an object.
type wireError struct {
	Message   json.RawMessage `json:"message"`
	Code      json.RawMessage `json:"code"`
	Type      json.RawMessage `json:"type"`
	RequestID json.RawMessage `json:"requestId"`
	Details   struct {
		FieldErrors map[string]json.RawMessage `json:"fieldErrors"`
	} `json:"details"`
}

// parseEnvelope parses an error body of any format; the whole body is the message if the format is unknown.
func parseEnvelope(contentType string, body []byte) *envelope {
	body = bytes.TrimSpace(body)
	e := &envelope{}
	switch {
	case len(body) == 0:
	case looksLikeMarkup(contentType, body):
		e.markup = true
		e.message = pageTitle(body)
	case body[0] == '{' && e.readObject(body):
	case body[0] == '"':
		if e.message = text(body); e.message == "" {
			e.message = string(body)
		}
	default:
		e.message = string(body)
	}
	return e
}

// readObject parses the JSON formats: the gateway's envelope, {"error":{…}}, {"error":"…"} and {"code","message"}.
// It returns false if the body is not a JSON object.
func (e *envelope) readObject(body []byte) bool {
	var w wireEnvelope
	if json.Unmarshal(body, &w) != nil {
		return false
	}
	e.status = int(number(w.Status))
	e.requestID = text(w.RequestID)
	e.after = number(w.RetryAfterSeconds)
	var inner wireError
	switch {
	case len(w.Error) > 0 && w.Error[0] == '{':
		// After an error, the members with the expected types are set.
		_ = json.Unmarshal(w.Error, &inner)
		e.message, e.code, e.kind = text(inner.Message), text(inner.Code), text(inner.Type)
		if id := text(inner.RequestID); id != "" {
			e.requestID = id
		}
		e.fields = slices.Sorted(maps.Keys(inner.Details.FieldErrors))
	case len(w.Error) > 0 && w.Error[0] == '"':
		e.code = text(w.Error)
		// With a "message", "error" is a short code.
		if e.message = text(w.Message); e.message == "" {
			e.message, e.code = e.code, text(w.Code)
		}
	default:
		e.message, e.code = text(w.Message), text(w.Code)
	}
	return true
}

// text returns the value of a JSON string, or a number as written; empty for anything else.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

// number returns the value of a JSON number, or of a number in a string; 0 for anything else.
func number(raw json.RawMessage) float64 {
	n, err := strconv.ParseFloat(text(raw), 64)
	if err != nil || n != n || n < 0 || n > 1e9 {
		return 0
	}
	return n
}

func looksLikeMarkup(contentType string, body []byte) bool {
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(contentType)), "text/html") {
		return true
	}
	head := strings.ToLower(string(body[:min(len(body), 32)]))
	return strings.HasPrefix(head, "<!doctype") || strings.HasPrefix(head, "<html") || strings.HasPrefix(head, "<head")
}

// pageTitle returns the title of an HTML page. The rest of the page is boilerplate and may quote the request.
func pageTitle(body []byte) string {
	const page = "HTML page"
	folded := bytes.ToLower(body)
	start := bytes.Index(folded, []byte("<title"))
	if start < 0 || len(folded) != len(body) {
		return page
	}
	_, rest, opened := bytes.Cut(body[start:], []byte(">"))
	end := bytes.IndexByte(rest, '<')
	if !opened || end < 0 {
		return page
	}
	return page + ": " + strings.Join(strings.Fields(html.UnescapeString(string(rest[:end]))), " ")
}

// requestID returns the upstream's ID of the request, from the body or a header; empty if none is well-formed.
func requestID(e *envelope, header http.Header) string {
	for _, id := range []string{e.requestID, header.Get("X-Request-Id"), header.Get("Cf-Ray")} {
		if idPattern.MatchString(id) {
			return id
		}
	}
	return ""
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// detail returns the message of the response for operators, before redaction.
func (e *envelope) detail(header http.Header) string {
	parts := make([]string, 0, 5)
	for _, word := range []string{e.code, e.kind, e.message} {
		if word != "" && !slices.Contains(parts, word) {
			parts = append(parts, word)
		}
	}
	if len(e.fields) > 0 {
		parts = append(parts, "fields: "+strings.Join(e.fields, ", "))
	}
	if to, err := url.Parse(header.Get("Location")); err == nil && to.Host != "" {
		parts = append(parts, "redirect to host "+to.Hostname())
	}
	return strings.Join(parts, ": ")
}
