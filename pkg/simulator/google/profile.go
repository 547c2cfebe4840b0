package google

import (
	"cmp"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/golang-jwt/jwt/v5"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// bearer returns the session of the access token of the request, which is empty
// without a valid one.
func (g *Provider) bearer(x *kit.Exchange) (*session, bool) {
	text, _ := x.BearerKey()
	session, _, ok := g.grants.find(accessPrefix, text)
	return session, ok
}

// userinfo serves both routes with the claims of OpenID Connect.
func (g *Provider) userinfo(x *kit.Exchange) {
	session, ok := g.bearer(x)
	if !x.Arrive(session.client, session.user.Email, "") {
		return
	}
	if !ok {
		x.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
		x.Fail(*unauthorized("invalid_request", "Invalid Credentials"))
		return
	}
	x.SendJSON(http.StatusOK, session.user.claims(issuer(x), session.scopes))
}

// userinfoV2 serves the older route, whose fields have other names.
func (g *Provider) userinfoV2(x *kit.Exchange) {
	session, ok := g.bearer(x)
	if !x.Arrive(session.client, session.user.Email, "") {
		return
	}
	if !ok {
		message := "Request is missing required authentication credential. "
		if x.Request.Header.Get("Authorization") != "" {
			message = "Request had invalid authentication credentials. "
		}
		x.Fail(kit.Failure{
			Status:  http.StatusUnauthorized,
			Message: message + "Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
		})
		return
	}
	fields := session.user.claims(issuer(x), session.scopes)
	for word, older := range map[string]string{"sub": "id", "email_verified": "verified_email"} {
		if value, there := fields[word]; there {
			fields[older] = value
			delete(fields, word)
		}
	}
	x.SendJSON(http.StatusOK, fields)
}

// revoke serves POST /revoke, with the token in the form or the query.
func (g *Provider) revoke(x *kit.Exchange) {
	form := readForm(x)
	if !x.Arrive("", "", "") {
		return
	}
	token := cmp.Or(form.Get("token"), x.Query.Get("token"))
	switch {
	case token == "":
		x.Fail(*badRequest("invalid_request", "Missing required parameter: token"))
	case !g.grants.revoke(token):
		x.Fail(*badRequest("invalid_token", "Token expired or revoked"))
	default:
		x.SendJSON(http.StatusOK, map[string]any{})
	}
}

// tokenInfo describes an id_token or an access token, for debugging. All values are
// strings.
func (g *Provider) tokenInfo(x *kit.Exchange) {
	if !x.Arrive("", "", "") {
		return
	}
	var fields map[string]string
	ok := false
	switch {
	case x.Query.Has("id_token"):
		fields, ok = g.readIDToken(x, x.Query.Get("id_token"))
	case x.Query.Has("access_token"):
		fields, ok = g.readAccessToken(x.Query.Get("access_token"))
	default:
		x.Fail(*badRequest("invalid_request", "either access_token, id_token, or token_handle required"))
		return
	}
	if !ok {
		x.Fail(*badRequest("invalid_token", "Invalid Value"))
		return
	}
	x.SendJSON(http.StatusOK, fields)
}

func (g *Provider) readAccessToken(access string) (map[string]string, bool) {
	s, expires, ok := g.grants.find(accessPrefix, access)
	kind := "online"
	if s.offline {
		kind = "offline"
	}
	fields := map[string]string{
		"azp": s.client, "aud": s.client, "sub": s.user.Sub, "scope": s.scopes.list(false), "access_type": kind,
		"exp": strconv.FormatInt(expires.Unix(), 10), "expires_in": strconv.Itoa(int(expires.Sub(g.now()).Seconds())),
	}
	if s.scopes.has("email") {
		fields["email"], fields["email_verified"] = s.user.Email, strconv.FormatBool(s.user.Verified)
	}
	return fields, ok
}

// readIDToken verifies an id_token and returns its claims and header as strings.
func (g *Provider) readIDToken(x *kit.Exchange, text string) (map[string]string, bool) {
	claims := jwt.MapClaims{}
	token, err := jwt.ParseWithClaims(text, claims, func(t *jwt.Token) (any, error) {
		keys, err := g.keys.both(false)
		for _, key := range keys {
			if key.id == t.Header["kid"] {
				return &key.private.PublicKey, nil
			}
		}
		return nil, err
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(g.now), jwt.WithJSONNumber())
	_, short, _ := strings.Cut(issuer(x), "://")
	if err != nil || (claims["iss"] != issuer(x) && claims["iss"] != short) {
		return nil, false
	}
	fields := map[string]string{}
	for _, part := range []map[string]any{claims, token.Header} {
		for name, value := range part {
			fields[name] = fmt.Sprint(value)
		}
	}
	return fields, true
}
