package legacy

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/pollinations"
)

// imageError is the error body of the image host.
type imageError struct {
	Error      string            `json:"error"`
	Message    string            `json:"message"`
	Details    any               `json:"details,omitempty"`
	Debug      any               `json:"debug,omitempty"`
	Timing     []map[string]any  `json:"timingInfo,omitempty"`
	RequestID  string            `json:"requestId,omitempty"`
	Parameters any               `json:"requestParameters,omitempty"`
	Queue      *queueInfo        `json:"queueInfo,omitempty"`
	Path       string            `json:"path,omitempty"`
	Migration  map[string]string `json:"migration,omitempty"`
}

// queueInfo describes the queue of a client address. Clients are anonymous.
type queueInfo struct {
	IP          string  `json:"ip"`
	CurrentSize int     `json:"currentSize"`
	Pending     int     `json:"pending"`
	Total       int     `json:"total"`
	MaxAllowed  int     `json:"maxAllowed"`
	Username    *string `json:"username"`
	UserID      *string `json:"userId"`
	Tier        string  `json:"tier"`
}

// textError is the error body of the text host.
type textError struct {
	Error     string            `json:"error"`
	Status    int               `json:"status,omitempty"`
	Details   any               `json:"details,omitempty"`
	Notice    string            `json:"deprecation_notice,omitempty"`
	Migration map[string]string `json:"migration,omitempty"`
}

// migrationNotice returns the notice of a deprecated host, or nil.
func migrationNotice(x *kit.Exchange) map[string]string {
	if !x.Varies(faultDeprecated) {
		return nil
	}
	return map[string]string{"guide": "https://gen.invalid/migration", "docs": "https://gen.invalid/docs", "signup": "https://enter.invalid"}
}

// setHeaders sets the headers of every response.
func setHeaders(x *kit.Exchange) {
	header := x.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	if m := migrationNotice(x); m != nil {
		header.Set("X-Pollinations-Migration", m["guide"])
		header.Set("X-Pollinations-Docs", m["docs"])
		header.Set("X-Pollinations-Signup", m["signup"])
		header.Set("Link", "<"+m["guide"]+`>; rel="deprecation", <https://gen.invalid>; rel="successor-version"`)
	}
}

// writeImageFailure writes a failure in the error body of the image host.
func writeImageFailure(x *kit.Exchange, f kit.Failure) {
	title := http.StatusText(f.Status)
	setHeaders(x)
	x.Header().Set("X-Error-Type", title)
	body := imageError{Error: title, Message: f.Message, Details: f.Details, Migration: migrationNotice(x)}
	if queue, ok := f.Details.(*queueInfo); ok {
		body.Details, body.Queue = nil, queue
	}
	if x.Parameters != nil || body.Queue != nil {
		body.Timing = []map[string]any{{"step": "Request received.", "timestamp": 0}, {"step": "Error occurred.", "timestamp": 1}}
		body.RequestID, body.Parameters = uuid.NewString(), x.Parameters
	}
	x.SendJSON(f.Status, body)
}

// writeTextFailure writes a failure in the error body of the text host.
func writeTextFailure(x *kit.Exchange, f kit.Failure) {
	setHeaders(x)
	body := textError{Error: f.Message, Status: f.Status, Details: f.Details, Migration: migrationNotice(x)}
	if queue, ok := f.Details.(*queueInfo); ok {
		body.Details = map[string]*queueInfo{"queueInfo": queue}
	}
	if body.Migration != nil {
		body.Notice = "This host is deprecated. See " + body.Migration["guide"]
	}
	x.SendJSON(f.Status, body)
}

// notFound responds to a path that the image host does not know.
func notFound(x *kit.Exchange) {
	setHeaders(x)
	x.SendJSON(http.StatusNotFound, imageError{
		Error: "Not Found", Message: "The requested endpoint was not found", Path: x.Request.URL.Path[len(ImagePrefix):], Migration: migrationNotice(x),
	})
}

// queueFull returns the failure of an address that has one generation running and
// one waiting. It has no Retry-After.
func queueFull(ip string) kit.Failure {
	return kit.Failure{
		Status:  http.StatusTooManyRequests,
		Message: "Queue full for IP: " + ip + ": 1 requests already queued (max: 1). Get unlimited access at https://enter.invalid",
		Details: &queueInfo{IP: ip, CurrentSize: 1, Pending: 1, Total: 2, MaxAllowed: 1, Tier: "anonymous"},
	}
}

// tooSoon returns the failure of a generation within the spacing, in the error body
// of the current API, which the newest version of the host uses for it.
func tooSoon(spacing, wait time.Duration) kit.Failure {
	return kit.Failure{
		Status: http.StatusTooManyRequests, Code: "RATE_LIMITED", Envelope: pollinations.WriteFailure, Header: map[string]string{"Retry-After": kit.WholeSeconds(wait)},
		Message: fmt.Sprintf("Sana is limited to one request per IP every %s seconds. Retry after %ss.", kit.WholeSeconds(spacing), kit.WholeSeconds(wait)),
	}
}

// busy responds to a generation that the queue rejected, and reports whether that is the
// reason of the error.
func busy(x *kit.Exchange, err error) bool {
	tooEarly := new(kit.TooSoonError)
	switch {
	case errors.Is(err, kit.ErrQueueFull):
		x.Fail(queueFull(x.Address()))
	case errors.As(err, &tooEarly):
		x.Fail(tooSoon(tooEarly.Spacing, tooEarly.Wait))
	default:
		return false
	}
	return true
}

// rejectToken rejects a request with a token if the rule that applies says so.
func rejectToken(x *kit.Exchange) bool {
	status := 0
	switch x.Fault() {
	case faultToken401:
		status = http.StatusUnauthorized
	case faultToken402:
		status = http.StatusPaymentRequired
	case faultToken403:
		status = http.StatusForbidden
	}
	if status == 0 || (x.Request.Header.Get("Authorization") == "" && !x.Query.Has("token") && !x.Query.Has("key")) {
		return false
	}
	x.Fail(kit.Failure{Status: status, Message: "Tokens are no longer accepted on this host."})
	return true
}
