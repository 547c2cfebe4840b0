package simulator

import (
	"net/http"
	"strings"
)

// oauthError is how Google refuses by the words of OAuth.
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// googleAPIError is how the older userinfo route refuses.
type googleAPIError struct {
	Error googleAPIFault `json:"error"`
}

type googleAPIFault struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
}

// refuseAsGoogle writes a failure as the route of the exchange does: a page
// for whoever is in front of a browser, otherwise JSON.
func (x *exchange) refuseAsGoogle(f failure) {
	code := f.code
	if code == "" {
		code = googleCodeOf(f.status)
	}
	switch {
	case x.kind == KindAuthorize:
		x.googleBlocked(blocked{status: f.status, code: code, message: f.message})
	case x.kind == KindUserinfo && strings.Contains(x.r.URL.Path, "/v2/"):
		status := f.kind
		if status == "" {
			status = googleStatusOf(f.status)
		}
		x.sendJSON(f.status, googleAPIError{Error: googleAPIFault{Code: f.status, Message: f.message, Status: status}})
	default:
		x.w.Header().Set("Cache-Control", "no-store")
		x.sendJSON(f.status, oauthError{Error: code, Description: f.message})
	}
}

// googleCodeOf is the error of OAuth for a status.
func googleCodeOf(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "invalid_client"
	case status == http.StatusForbidden:
		return "access_denied"
	case status == http.StatusTooManyRequests:
		return "rate_limit_exceeded"
	case status == http.StatusServiceUnavailable:
		return "temporarily_unavailable"
	case status >= http.StatusInternalServerError:
		return "internal_failure"
	default:
		return "invalid_request"
	}
}

// googleStatusOf is the status of Google's APIs for a status of HTTP.
func googleStatusOf(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case status == http.StatusForbidden:
		return "PERMISSION_DENIED"
	case status == http.StatusNotFound:
		return "NOT_FOUND"
	case status == http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case status == http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	case status >= http.StatusInternalServerError:
		return "INTERNAL"
	default:
		return "INVALID_ARGUMENT"
	}
}

// googleFaults are the refusals of Google that a rule may ask for, whatever
// the request was.
func googleFaults() map[string]fault {
	table := map[string]fault{}
	for name, b := range map[string]blocked{
		"invalid_grant":         {http.StatusBadRequest, "invalid_grant", "Bad Request"},
		"malformed_code":        {http.StatusBadRequest, "invalid_grant", "Malformed auth code."},
		"redirect_uri_mismatch": {http.StatusBadRequest, "redirect_uri_mismatch", "Bad Request"},
		"invalid_client":        {http.StatusUnauthorized, "invalid_client", "The OAuth client was not found."},
		"wrong_client_secret":   {http.StatusUnauthorized, "invalid_client", "Unauthorized"},
		"unauthorized_client":   {http.StatusUnauthorized, "unauthorized_client", "Unauthorized"},
		"admin_policy_enforced": {http.StatusBadRequest, "admin_policy_enforced", "Access to your account data is restricted by policies within your organization."},
		"org_internal":          {http.StatusForbidden, "org_internal", "This client is restricted to users within its organization."},
		"disallowed_useragent":  {http.StatusForbidden, "disallowed_useragent", "This browser or app may not be secure."},
	} {
		table[name] = func(x *exchange) { x.refuseAsGoogle(failure{status: b.status, code: b.code, message: b.message}) }
	}
	return table
}
