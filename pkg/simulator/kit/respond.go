package kit

import (
	"cmp"
	"encoding/json"
	"html"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Header returns the header of the response.
func (x *Exchange) Header() http.Header { return x.w.Header() }

// Send writes a complete response. The rule that applies may add headers or
// damage the body.
func (x *Exchange) Send(status int, contentType string, body []byte) {
	header := x.Header()
	header.Set("Content-Type", contentType)
	x.SetRuleHeaders()
	header.Set("Content-Length", strconv.Itoa(len(body)))
	switch {
	case x.Varies(FaultTruncated), x.Varies(FaultStalled):
		x.sendHalf(status, body)
		return
	case x.Varies(FaultEmpty):
		header.Set("Content-Length", "0")
		body = nil
	}
	x.Finish(status)
	x.w.WriteHeader(status)
	if x.Request.Method == http.MethodHead {
		return
	}
	if _, err := x.w.Write(body); err != nil {
		x.Abort()
	}
}

// SetRuleHeaders adds the headers of the rule that applies. Send does it as
// well.
func (x *Exchange) SetRuleHeaders() {
	if x.rule == nil {
		return
	}
	for name, value := range x.rule.Headers {
		x.Header().Set(name, value)
	}
}

// SendJSON writes a value as a complete response.
func (x *Exchange) SendJSON(status int, value any) {
	x.Send(status, "application/json", Encode(value))
}

// Page writes an HTML page such as those of the proxies in front of the
// upstreams.
func (x *Exchange) Page(status int, title, text string) {
	title, text = html.EscapeString(title), html.EscapeString(text)
	x.Send(status, "text/html; charset=UTF-8", []byte("<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>"+title+
		"</title></head>\n<body>\n<h1>"+title+"</h1>\n<p>"+text+"</p>\n<hr><center>cloudflare</center>\n</body>\n</html>\n"))
}

// SendStatus begins a response whose body is written with Write.
func (x *Exchange) SendStatus(status int, contentType string) {
	x.Header().Set("Content-Type", contentType)
	x.w.WriteHeader(status)
}

// Write sends some bytes immediately and reports whether that succeeded.
func (x *Exchange) Write(data []byte) bool {
	if _, err := x.w.Write(data); err != nil {
		return false
	}
	return http.NewResponseController(x.w).Flush() == nil
}

// Fail writes a failure.
func (x *Exchange) Fail(f Failure) {
	for name, value := range f.Header {
		if x.Header().Get(name) == "" {
			x.Header().Set(name, value)
		}
	}
	switch {
	case f.Body != nil:
		x.SendJSON(f.Status, f.Body)
	case f.Envelope != nil:
		f.Envelope(x, f)
	default:
		x.Host.WriteFailure(x, f)
	}
}

// scriptedFailure returns the fault that writes the failure of a name in the
// format of the requested host.
func (s *Server) scriptedFailure(name string) Fault {
	return func(x *Exchange) {
		f, ok := x.Host.Failures[name]
		if !ok {
			f = s.hosts[0].Failures[name]
			f.Message = cmp.Or(f.Message, http.StatusText(f.Status))
			if x.Host.Adapt != nil {
				f = x.Host.Adapt(f)
			} else {
				f = Failure{Status: f.Status, Message: f.Message} // Without Retry-After, which only Pollinations promises.
			}
		}
		x.Fail(f)
	}
}

// SetHeaders sets several fields of the response header.
func (x *Exchange) SetHeaders(fields map[string]string) {
	for name, value := range fields {
		x.Header().Set(name, value)
	}
}

// Encode renders a value as JSON without escaping HTML characters, as the
// upstreams do. It panics on a value that cannot be encoded.
func Encode(value any) []byte {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		panic("encode a response of the simulator: " + err.Error()) // Only plain types of the simulator are encoded.
	}
	return []byte(strings.TrimSuffix(out.String(), "\n"))
}

// Timestamp formats a time as the upstreams do.
func Timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// WholeSeconds formats a duration as a Retry-After, rounded up.
func WholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
