package google

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// oauthError is an error body of OAuth.
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description,omitempty"`
}

// apiError is the error body of the older userinfo route.
type apiError struct {
	Error apiErrorBody `json:"error"`
}

type apiErrorBody struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
}

// refuse writes a failure as the route does: a page for browsers, otherwise JSON.
func refuse(x *kit.Exchange, f kit.Failure) {
	code, status := codes(f.Status)
	if f.Code != "" {
		code = f.Code
	}
	switch {
	case x.Kind == kit.KindAuthorize:
		sendBlockedPage(x, blocked{status: f.Status, code: code, message: f.Message})
	case x.Kind == kit.KindUserinfo && strings.Contains(x.Request.URL.Path, "/v2/"):
		if f.Type != "" {
			status = f.Type
		}
		x.SendJSON(f.Status, apiError{Error: apiErrorBody{Code: f.Status, Message: f.Message, Status: status}})
	default:
		x.Header().Set("Cache-Control", "no-store")
		x.SendJSON(f.Status, oauthError{Error: code, Description: f.Message})
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
		table[name] = func(x *kit.Exchange) { refuse(x, kit.Failure{Status: b.status, Code: b.code, Message: b.message}) }
	}
	return table
}
