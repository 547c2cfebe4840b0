package google

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
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

// scopes are the scopes that Google grants for a sign-in.
type scopes struct{ openid, email, profile bool }

const (
	scopeEmail   = "https://www.googleapis.com/auth/userinfo.email"
	scopeProfile = "https://www.googleapis.com/auth/userinfo.profile"
)

// readScopes reads scopes in their short or long form and returns the unknown ones
// separately.
func readScopes(text string) (s scopes, unknown []string) {
	for _, scope := range strings.Fields(text) {
		switch scope {
		case "openid":
			s.openid = true
		case "email", scopeEmail:
			s.email = true
		case "profile", scopeProfile:
			s.profile = true
		default:
			unknown = append(unknown, scope)
		}
	}
	return s, unknown
}

// list returns the names of the scopes, for the redirect URI with the short names as
// well.
func (s scopes) list(short bool) string {
	var names []string
	for _, scope := range []struct {
		granted     bool
		short, long string
	}{{s.email, "email", scopeEmail}, {s.profile, "profile", scopeProfile}} {
		if scope.granted && short {
			names = append(names, scope.short)
		}
		if scope.granted {
			names = append(names, scope.long)
		}
	}
	if s.openid {
		names = append(names, "openid")
	}
	return strings.Join(names, " ")
}

// blocked is a configuration error, which Google shows to the user instead of
// redirecting to the client.
type blocked struct {
	status  int
	code    string
	message string
}

// repeated returns a parameter that occurs more than once.
func repeated(values url.Values) (name string, found bool) {
	for name, all := range values {
		if len(all) > 1 {
			return name, true
		}
	}
	return "", false
}

// readAuthorization reads the query of an authorization. Its errors must not be
// sent to the redirect URI, which may belong to anybody.
func (g *Provider) readAuthorization(query url.Values) (authorization, *blocked) {
	refuse := func(message string) (authorization, *blocked) {
		return authorization{}, &blocked{status: http.StatusBadRequest, code: "invalid_request", message: message}
	}
	if name, found := repeated(query); found {
		return refuse("OAuth 2 parameters can only have a single value: " + name)
	}
	for _, name := range []string{"client_id", "redirect_uri", "response_type", "scope"} {
		if query.Get(name) == "" {
			return refuse("Missing required parameter: " + name)
		}
	}
	client, found := g.client(query.Get("client_id"))
	if !found {
		return authorization{}, &blocked{status: http.StatusUnauthorized, code: "invalid_client", message: "The OAuth client was not found."}
	}
	if !client.allows(query.Get("redirect_uri")) {
		return authorization{}, &blocked{
			status: http.StatusBadRequest, code: "redirect_uri_mismatch",
			message: "This address is not registered for the client: " + query.Get("redirect_uri"),
		}
	}
	if query.Get("response_type") != "code" {
		return authorization{}, &blocked{
			status: http.StatusBadRequest, code: "unsupported_response_type",
			message: "Invalid response_type: " + query.Get("response_type"),
		}
	}
	scopes, unknown := readScopes(query.Get("scope"))
	if len(unknown) > 0 {
		return authorization{}, &blocked{
			status: http.StatusBadRequest, code: "invalid_scope",
			message: "Some requested scopes were invalid: " + strings.Join(unknown, ", "),
		}
	}
	a := authorization{
		client: client.ID, redirect: query.Get("redirect_uri"), state: query.Get("state"), nonce: query.Get("nonce"),
		challenge: query.Get("code_challenge"), method: query.Get("code_challenge_method"),
		hint: query.Get("login_hint"), prompt: query.Get("prompt"), scopes: scopes, offline: query.Get("access_type") == "offline",
	}
	if message := a.check(query.Get("access_type")); message != "" {
		return refuse(message)
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
// values.
func (a authorization) redirectURL(pairs ...string) string {
	if a.state != "" {
		pairs = append([]string{"state", a.state}, pairs...)
	}
	var out strings.Builder
	out.WriteString(a.redirect)
	separator := "?"
	if strings.Contains(a.redirect, "?") {
		separator = "&"
	}
	for n := 0; n+1 < len(pairs); n += 2 {
		out.WriteString(separator + pairs[n] + "=" + strings.ReplaceAll(url.QueryEscape(pairs[n+1]), "+", "%20"))
		separator = "&"
	}
	return out.String()
}
