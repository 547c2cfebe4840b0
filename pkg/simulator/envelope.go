package simulator

import (
	"html"
	"net/http"
	"time"
)

// failure is a refusal in any dialect: code belongs to the gateway's
// envelope, kind and reason to DeepSeek's type and code, number to
// SiliconFlow's code, queue to the legacy hosts.
type failure struct {
	status  int
	code    string
	message string
	details any
	kind    string
	reason  string
	number  int
	queue   *queueInfo
	header  map[string]string
	shape   any  // a body of its own in place of the envelope
	modern  bool // the gateway's envelope whatever the dialect
}

// The gateway's envelope, its keys in the order of the wire.
type gatewayEnvelope struct {
	Success bool         `json:"success"`
	Error   gatewayError `json:"error"`
	Status  int          `json:"status"`
}

type gatewayError struct {
	Message   string `json:"message"`
	Code      string `json:"code,omitempty"`
	Type      string `json:"type,omitempty"`
	Timestamp string `json:"timestamp"`
	Details   any    `json:"details,omitempty"`
	RequestID string `json:"requestId"`
}

// validationDetails is what the gateway says about fields it refuses.
type validationDetails struct {
	Name        string              `json:"name"`
	FormErrors  []string            `json:"formErrors"`
	FieldErrors map[string][]string `json:"fieldErrors"`
}

// deepSeekEnvelope is DeepSeek's error body.
type deepSeekEnvelope struct {
	Error deepSeekError `json:"error"`
}

type deepSeekError struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    string  `json:"code"`
}

// refuse writes a failure in the dialect of the exchange.
func (x *exchange) refuse(f failure) {
	for name, value := range f.header {
		if x.w.Header().Get(name) == "" {
			x.w.Header().Set(name, value)
		}
	}
	if f.shape != nil {
		x.sendJSON(f.status, f.shape)
		return
	}
	switch {
	case f.modern:
		x.refuseAsGateway(f)
	case x.dialect == DialectDeepSeek:
		kind, reason := f.kind, f.reason
		if kind == "" {
			kind = "invalid_request_error"
		}
		if reason == "" {
			reason = kind
		}
		x.sendJSON(f.status, deepSeekEnvelope{Error: deepSeekError{Message: f.message, Type: kind, Code: reason}})
	case x.dialect == DialectSiliconFlow:
		x.sendJSON(f.status, siliconFlowEnvelope{Code: f.number, Message: f.message})
	case x.dialect == DialectLegacyImage:
		x.refuseAsLegacyImage(f)
	case x.dialect == DialectLegacyText:
		x.refuseAsLegacyText(f)
	case x.dialect == DialectGoogle:
		x.refuseAsGoogle(f)
	default:
		x.refuseAsGateway(f)
	}
}

// refuseAsGateway writes the gateway's envelope.
func (x *exchange) refuseAsGateway(f failure) {
	x.sendJSON(f.status, gatewayEnvelope{
		Error: gatewayError{
			Message: f.message, Code: f.code, Type: f.kind, Details: f.details,
			Timestamp: timestamp(x.s.config.Now()), RequestID: newUUID(),
		},
		Status: f.status,
	})
}

// timestamp renders a time as the upstreams do.
func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// refuseFields writes the gateway's refusal of single fields; where names
// the query or the body.
func (x *exchange) refuseFields(where string, fields map[string][]string) {
	message := "Query parameter validation failed"
	if where == "body" {
		message = "JSON body validation failed"
	}
	x.refuse(failure{
		status: http.StatusBadRequest, code: "BAD_REQUEST", message: message,
		details: validationDetails{Name: "ValidationError", FormErrors: []string{}, FieldErrors: fields},
	})
}

// page writes an HTML page such as the proxies in front of the upstreams do.
func (x *exchange) page(status int, title, text string) {
	title, text = html.EscapeString(title), html.EscapeString(text)
	x.send(status, "text/html; charset=UTF-8", []byte("<!DOCTYPE html>\n<html lang=\"en-US\">\n<head><title>"+title+
		"</title></head>\n<body>\n<h1>"+title+"</h1>\n<p>"+text+"</p>\n<hr><center>cloudflare</center>\n</body>\n</html>\n"))
}
