package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// legacyImageError is the error body of the legacy host for pictures.
type legacyImageError struct {
	Error      string       `json:"error"`
	Message    string       `json:"message"`
	Details    any          `json:"details,omitempty"`
	Debug      any          `json:"debug,omitempty"`
	Timing     []timingStep `json:"timingInfo,omitempty"`
	RequestID  string       `json:"requestId,omitempty"`
	Parameters any          `json:"requestParameters,omitempty"`
	Queue      *queueInfo   `json:"queueInfo,omitempty"`
	Path       string       `json:"path,omitempty"`
	Migration  *migration   `json:"migration,omitempty"`
}

type timingStep struct {
	Step      string `json:"step"`
	Timestamp int    `json:"timestamp"`
}

// queueInfo tells an address how its line stands. Nobody is known by name.
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

// legacyTextError is the error body of the legacy host for text.
type legacyTextError struct {
	Error     string     `json:"error"`
	Status    int        `json:"status,omitempty"`
	Details   any        `json:"details,omitempty"`
	Notice    string     `json:"deprecation_notice,omitempty"`
	Migration *migration `json:"migration,omitempty"`
}

// migration tells where the newest legacy hosts send people.
type migration struct {
	Guide  string `json:"guide"`
	Docs   string `json:"docs"`
	Signup string `json:"signup"`
}

// moved is the migration notice while a rule wants it.
func (x *exchange) moved() *migration {
	if !x.behaves(faultDeprecated) {
		return nil
	}
	return &migration{Guide: "https://gen.invalid/migration", Docs: "https://gen.invalid/docs", Signup: "https://enter.invalid"}
}

// legacyHeaders sets what every answer of the legacy hosts carries.
func (x *exchange) legacyHeaders() {
	header := x.w.Header()
	header.Set("Access-Control-Allow-Origin", "*")
	if m := x.moved(); m != nil {
		header.Set("X-Pollinations-Migration", m.Guide)
		header.Set("X-Pollinations-Docs", m.Docs)
		header.Set("X-Pollinations-Signup", m.Signup)
		header.Set("Link", "<"+m.Guide+`>; rel="deprecation", <https://gen.invalid>; rel="successor-version"`)
	}
}

// refuseAsLegacyImage writes a failure as the legacy host for pictures does.
func (x *exchange) refuseAsLegacyImage(f failure) {
	title := http.StatusText(f.status)
	x.legacyHeaders()
	x.w.Header().Set("X-Error-Type", title)
	body := legacyImageError{Error: title, Message: f.message, Details: f.details, Queue: f.queue, Migration: x.moved()}
	if x.params != nil || f.queue != nil {
		body.Timing = []timingStep{{Step: "Request received.", Timestamp: 0}, {Step: "Error occurred.", Timestamp: 1}}
		body.RequestID, body.Parameters = newUUID(), x.params
	}
	x.sendJSON(f.status, body)
}

// refuseAsLegacyText writes a failure as the legacy host for text does.
func (x *exchange) refuseAsLegacyText(f failure) {
	x.legacyHeaders()
	body := legacyTextError{Error: f.message, Status: f.status, Details: f.details, Migration: x.moved()}
	if f.queue != nil {
		body.Details = map[string]*queueInfo{"queueInfo": f.queue}
	}
	if body.Migration != nil {
		body.Notice = "This host is deprecated. See " + body.Migration.Guide
	}
	x.sendJSON(f.status, body)
}

// legacyNotFound refuses a path that the host for pictures does not know.
func (x *exchange) legacyNotFound() {
	x.legacyHeaders()
	x.sendJSON(http.StatusNotFound, legacyImageError{
		Error: "Not Found", Message: "The requested endpoint was not found", Path: x.r.URL.Path[len(legacyImagePrefix):], Migration: x.moved(),
	})
}

// crowded is the refusal of an address that has a generation running and
// another one waiting. It tells no time to come back.
func crowded(ip string) failure {
	return failure{
		status:  http.StatusTooManyRequests,
		message: "Queue full for IP: " + ip + ": 1 requests already queued (max: 1). Get unlimited access at https://enter.invalid",
		queue:   &queueInfo{IP: ip, CurrentSize: 1, Pending: 1, Total: 2, MaxAllowed: 1, Tier: "anonymous"},
	}
}

// tooSoon is the refusal of a generation within the spacing, in the envelope
// that the newest legacy host shares with the gateway.
func tooSoon(spacing, wait time.Duration) failure {
	return failure{
		status: http.StatusTooManyRequests, code: "RATE_LIMITED", modern: true, header: map[string]string{"Retry-After": wholeSeconds(wait)},
		message: fmt.Sprintf("Sana is limited to one request per IP every %s seconds. Retry after %ss.", wholeSeconds(spacing), wholeSeconds(wait)),
	}
}

// refuseTurn answers a generation that did not get its turn; it reports
// whether that was the reason.
func (x *exchange) refuseTurn(err error) bool {
	early := new(tooSoonError)
	switch {
	case errors.Is(err, errCrowded):
		x.refuse(crowded(x.address()))
	case errors.As(err, &early):
		x.refuse(tooSoon(early.spacing, early.wait))
	default:
		return false
	}
	return true
}

// refusesToken answers a request that carries a token while a rule says that
// tokens are dead there.
func (x *exchange) refusesToken() bool {
	status := 0
	switch {
	case !x.dialect.legacy():
	case x.behaves(faultTokenUnknown):
		status = http.StatusUnauthorized
	case x.behaves(faultTokenUnpaid):
		status = http.StatusPaymentRequired
	case x.behaves(faultTokenForbidden):
		status = http.StatusForbidden
	}
	if status == 0 || (x.r.Header.Get("Authorization") == "" && !x.query.Has("token") && !x.query.Has("key")) {
		return false
	}
	x.refuse(failure{status: status, message: "Tokens are no longer accepted on this host."})
	return true
}
