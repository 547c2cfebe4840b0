package google

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// authorization is a request of a client to a user.
type authorization struct {
	client    string
	redirect  string
	state     string
	nonce     string
	challenge string
	method    string
	hint      string
	prompt    string
	scopes    scopes
	offline   bool
}

// scopes are the granted scopes among openid, email and profile.
type scopes []string

const scopePrefix = "https://www.googleapis.com/auth/userinfo."

// readScopes reads scopes in their short or long form and returns the unknown ones
// separately.
func readScopes(text string) (known scopes, unknown []string) {
	for _, scope := range strings.Fields(text) {
		if short := strings.TrimPrefix(scope, scopePrefix); slices.Contains(allScopes(), short) {
			known = append(known, short)
		} else {
			unknown = append(unknown, scope)
		}
	}
	return known, unknown
}

func allScopes() scopes { return scopes{"openid", "email", "profile"} }

func (s scopes) has(scope string) bool { return slices.Contains(s, scope) }

// list returns the names of the scopes, for the redirect URI with the short names as
// well.
func (s scopes) list(short bool) string {
	var names []string
	for _, scope := range []string{"email", "profile"} {
		if s.has(scope) && short {
			names = append(names, scope)
		}
		if s.has(scope) {
			names = append(names, scopePrefix+scope)
		}
	}
	if s.has("openid") {
		names = append(names, "openid")
	}
	return strings.Join(names, " ")
}

// repeated rejects parameters that occur more than once.
func repeated(values url.Values) *kit.Failure {
	for name, all := range values {
		if len(all) > 1 {
			return badRequest("invalid_request", "OAuth 2 parameters can only have a single value: "+name)
		}
	}
	return nil
}

// readAuthorization reads the query of an authorization. Its errors are shown to the
// user and never sent to the redirect URI, which may not belong to the client.
func (g *Provider) readAuthorization(query url.Values) (authorization, *kit.Failure) {
	failure := repeated(query)
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "scope"} {
		if query.Get(name) == "" && failure == nil {
			failure = badRequest("invalid_request", "Missing required parameter: "+name)
		}
	}
	client, found := g.client(query.Get("client_id"))
	scopes, unknown := readScopes(query.Get("scope"))
	a := authorization{
		client: client.ID, redirect: query.Get("redirect_uri"), state: query.Get("state"), nonce: query.Get("nonce"),
		challenge: query.Get("code_challenge"), method: query.Get("code_challenge_method"),
		hint: query.Get("login_hint"), prompt: query.Get("prompt"), scopes: scopes, offline: query.Get("access_type") == "offline",
	}
	switch {
	case failure != nil:
	case !found:
		failure = unauthorized("invalid_client", "The OAuth client was not found.")
	case !client.allows(a.redirect):
		failure = badRequest("redirect_uri_mismatch", "This URI is not registered for the client: "+a.redirect)
	case query.Get("response_type") != "code":
		failure = badRequest("unsupported_response_type", "Invalid response_type: "+query.Get("response_type"))
	case len(unknown) > 0:
		failure = badRequest("invalid_scope", "Some requested scopes were invalid: "+strings.Join(unknown, ", "))
	default:
		if message := a.check(query.Get("access_type")); message != "" {
			failure = badRequest("invalid_request", message)
		}
	}
	if failure != nil {
		return authorization{}, failure
	}
	return a, nil
}

// check returns an error message for invalid optional parameters, or the empty
// string.
func (a authorization) check(accessType string) string {
	prompts := strings.Fields(a.prompt)
	for _, prompt := range prompts {
		if !slices.Contains([]string{"none", "consent", "select_account"}, prompt) || (prompt == "none" && len(prompts) > 1) {
			return "Invalid parameter value for prompt: " + a.prompt
		}
	}
	switch {
	case !slices.Contains([]string{"", "online", "offline"}, accessType):
		return "Invalid parameter value for access_type: " + accessType
	case !slices.Contains([]string{"", "plain", "S256"}, a.method):
		return "Invalid parameter value for code_challenge_method: " + a.method
	case a.method != "" && a.challenge == "":
		return "Missing required parameter: code_challenge"
	case a.challenge != "" && !regexp.MustCompile(`^[A-Za-z0-9._~-]{43,128}$`).MatchString(a.challenge):
		return "Invalid parameter value for code_challenge"
	}
	return ""
}

// redirectURL returns the redirect URI with the state and further pairs of names and
// values, in this order.
func (a authorization) redirectURL(pairs ...string) string {
	if a.state != "" {
		pairs = append([]string{"state", a.state}, pairs...)
	}
	target, separator := a.redirect, "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	for pair := range slices.Chunk(pairs, 2) {
		target += separator + pair[0] + "=" + strings.ReplaceAll(url.QueryEscape(pair[1]), "+", "%20")
		separator = "&"
	}
	return target
}
