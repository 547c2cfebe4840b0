package google

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// badRequest returns a 400.
func badRequest(code, message string) *kit.Failure {
	return &kit.Failure{Status: http.StatusBadRequest, Code: code, Message: message}
}

// unauthorized returns a 401.
func unauthorized(code, message string) *kit.Failure {
	return &kit.Failure{Status: http.StatusUnauthorized, Code: code, Message: message}
}

// writeFailure writes a failure: as a page for browsers, otherwise as JSON.
func writeFailure(x *kit.Exchange, f kit.Failure) {
	code, status := codes(f.Status)
	if f.Code != "" {
		code = f.Code
	}
	switch {
	case x.Kind == kit.KindAuthorize:
		sendPage(x, f.Status, blockedPage, map[string]any{"Status": f.Status, "Code": code, "Message": f.Message})
	case x.Kind == kit.KindUserinfo && strings.Contains(x.Request.URL.Path, "/v2/"):
		x.SendJSON(f.Status, map[string]any{"error": map[string]any{"code": f.Status, "message": f.Message, "status": status}})
	default:
		body := map[string]string{"error": code}
		if f.Message != "" {
			body["error_description"] = f.Message
		}
		x.Header().Set("Cache-Control", "no-store")
		x.SendJSON(f.Status, body)
	}
}

// codes returns the error code of OAuth and the status of Google's APIs for a status
// of HTTP.
func codes(status int) (oauth, api string) {
	switch {
	case status == http.StatusUnauthorized:
		return "invalid_client", "UNAUTHENTICATED"
	case status == http.StatusForbidden:
		return "access_denied", "PERMISSION_DENIED"
	case status == http.StatusNotFound:
		return "invalid_request", "NOT_FOUND"
	case status == http.StatusTooManyRequests:
		return "rate_limit_exceeded", "RESOURCE_EXHAUSTED"
	case status == http.StatusServiceUnavailable:
		return "temporarily_unavailable", "UNAVAILABLE"
	case status >= http.StatusInternalServerError:
		return "internal_failure", "INTERNAL"
	default:
		return "invalid_request", "INVALID_ARGUMENT"
	}
}

// faults returns the errors of Google that a rule may ask for, and the mutations of
// id_tokens.
func faults() map[string]kit.Fault {
	table := kit.Variations(slices.Collect(maps.Keys(idTokenMutations()))...)
	for name, f := range map[string]*kit.Failure{
		"invalid_grant":         badRequest("invalid_grant", "Bad Request"),
		"malformed_code":        badRequest("invalid_grant", "Malformed auth code."),
		"redirect_uri_mismatch": badRequest("redirect_uri_mismatch", "Bad Request"),
		"invalid_client":        unauthorized("invalid_client", "The OAuth client was not found."),
		"wrong_client_secret":   unauthorized("invalid_client", "Unauthorized"),
		"unauthorized_client":   unauthorized("unauthorized_client", "Unauthorized"),
		"admin_policy_enforced": badRequest("admin_policy_enforced", "Access to your account data is restricted by policies within your organization."),
		"org_internal":          {Status: http.StatusForbidden, Code: "org_internal", Message: "This client is restricted to users within its organization."},
		"disallowed_useragent":  {Status: http.StatusForbidden, Code: "disallowed_useragent", Message: "This browser or app may not be secure."},
	} {
		table[name] = func(x *kit.Exchange) { writeFailure(x, *f) }
	}
	return table
}
