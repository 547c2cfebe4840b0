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

// envelope is the content of an error body in any of the upstreams' shapes.
type envelope struct {
	message string
	// code and kind are the upstream's own words for the error ("BAD_REQUEST", "safety_error"); either may be empty.
	code, kind string
	// status is the status the body claims, which tells an error from a success sent as 200; 0 when it claims none.
	status    int
	requestID string
	// fields are the names of the parameters a validation refused.
	fields []string
	// after is the wait asked for in the body, in seconds.
	after float64
	// markup says that the body is an HTML page.
	markup bool
}

// wireEnvelope is every JSON object shape in one. Members that differ in type between upstreams stay raw.
type wireEnvelope struct {
	Error             json.RawMessage `json:"error"`
	Code              json.RawMessage `json:"code"`
	Message           json.RawMessage `json:"message"`
	Status            json.RawMessage `json:"status"`
	RequestID         json.RawMessage `json:"requestId"`
	RetryAfterSeconds json.RawMessage `json:"retryAfterSeconds"`
}

// wireError is the member "error" where it is an object.
type wireError struct {
	Message   json.RawMessage `json:"message"`
	Code      json.RawMessage `json:"code"`
	Type      json.RawMessage `json:"type"`
	RequestID json.RawMessage `json:"requestId"`
	Details   struct {
		FieldErrors map[string]json.RawMessage `json:"fieldErrors"`
	} `json:"details"`
}

// parseEnvelope parses an error body of any kind; what it does not understand becomes the message.
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

// readObject reads the JSON shapes: the gateway's envelope, {"error":{…}}, {"error":"…"} and {"code","message"}.
// It reports false when body is not one JSON object.
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
		// A member of an unexpected type leaves the others readable.
		_ = json.Unmarshal(w.Error, &inner)
		e.message, e.code, e.kind = text(inner.Message), text(inner.Code), text(inner.Type)
		if id := text(inner.RequestID); id != "" {
			e.requestID = id
		}
		e.fields = slices.Sorted(maps.Keys(inner.Details.FieldErrors))
	case len(w.Error) > 0 && w.Error[0] == '"':
		e.code = text(w.Error)
		// In the two-part shapes "error" is a short name and "message" the sentence.
		if e.message = text(w.Message); e.message == "" {
			e.message, e.code = e.code, text(w.Code)
		}
	default:
		e.message, e.code = text(w.Message), text(w.Code)
	}
	return true
}

// text returns a JSON string's value, or a number as written, or nothing.
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

// number returns the value of a JSON number, or of a string holding one, or 0.
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

// pageTitle returns the title of an HTML page. The rest of such a page is boilerplate and may quote the request.
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

// requestID returns the upstream's name for the exchange, from the body or a header, as far as it looks like one.
func requestID(e *envelope, header http.Header) string {
	for _, id := range []string{e.requestID, header.Get("X-Request-Id"), header.Get("Cf-Ray")} {
		if idPattern.MatchString(id) {
			return id
		}
	}
	return ""
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9._:-]{1,128}$`)

// detail returns what the response says, for an operator. It is not redacted yet.
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
