package google

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// bearer returns the access token of the request. Its session is never nil.
func (g *Provider) bearer(x *kit.Exchange) (token, bool) {
	text, _ := x.BearerKey()
	if found, ok := g.grants.token(text); ok {
		return found, true
	}
	return token{session: &session{}}, false
}

// userinfo serves both routes with the claims of OpenID Connect.
func (g *Provider) userinfo(x *kit.Exchange) {
	token, ok := g.bearer(x)
	if !x.Arrive(token.session.client, token.session.user.Email, "") {
		return
	}
	if !ok {
		x.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
		x.Refuse(kit.Failure{Status: http.StatusUnauthorized, Code: "invalid_request", Message: "Invalid Credentials"})
		return
	}
	x.SendJSON(http.StatusOK, token.session.user.claims(issuer(x), token.session.scopes))
}

// userinfoV2 serves the older route, whose fields have other names.
func (g *Provider) userinfoV2(x *kit.Exchange) {
	token, ok := g.bearer(x)
	if !x.Arrive(token.session.client, token.session.user.Email, "") {
		return
	}
	if !ok {
		message := "Request is missing required authentication credential. "
		if x.Request.Header.Get("Authorization") != "" {
			message = "Request had invalid authentication credentials. "
		}
		x.Refuse(kit.Failure{
			Status: http.StatusUnauthorized, Type: "UNAUTHENTICATED",
			Message: message + "Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
		})
		return
	}
	fields := token.session.user.claims(issuer(x), token.session.scopes)
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
	text := form.Get("token")
	if text == "" {
		text = x.Query.Get("token")
	}
	switch {
	case text == "":
		refuseOAuth(x, http.StatusBadRequest, "invalid_request", "Missing required parameter: token")
	case !g.grants.revoke(text):
		refuseOAuth(x, http.StatusBadRequest, "invalid_token", "Token expired or revoked")
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
		fields, ok = g.readAccessToken(x, x.Query.Get("access_token"))
	default:
		refuseOAuth(x, http.StatusBadRequest, "invalid_request", "either access_token, id_token, or token_handle required")
		return
	}
	if !ok {
		refuseOAuth(x, http.StatusBadRequest, "invalid_token", "Invalid Value")
		return
	}
	x.SendJSON(http.StatusOK, fields)
}

func (g *Provider) readAccessToken(x *kit.Exchange, access string) (map[string]string, bool) {
	token, ok := g.grants.token(access)
	if !ok {
		return nil, false
	}
	s := token.session
	kind := "online"
	if s.offline {
		kind = "offline"
	}
	fields := map[string]string{
		"azp": s.client, "aud": s.client, "sub": s.user.Sub, "scope": s.scopes.list(false), "access_type": kind,
		"exp": strconv.FormatInt(token.expires.Unix(), 10), "expires_in": strconv.Itoa(int(token.expires.Sub(x.Server.Config.Now()).Seconds())),
	}
	if s.scopes.email {
		fields["email"], fields["email_verified"] = s.user.Email, strconv.FormatBool(s.user.Verified)
	}
	return fields, true
}

// readIDToken verifies an id_token and returns its claims and header as strings.
func (g *Provider) readIDToken(x *kit.Exchange, token string) (map[string]string, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	var header struct{ Alg, Kid, Typ string }
	var claims map[string]any
	if !decodePart(parts[0], &header) || !decodePart(parts[1], &claims) || header.Alg != "RS256" {
		return nil, false
	}
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	keys, noKeys := g.keys.both()
	if err != nil || noKeys != nil {
		return nil, false
	}
	sum, good := sha256.Sum256([]byte(parts[0]+"."+parts[1])), false
	for _, key := range keys {
		good = good || (key.id == header.Kid && rsa.VerifyPKCS1v15(&key.private.PublicKey, crypto.SHA256, sum[:], signature) == nil)
	}
	expires, _ := claims["exp"].(float64)
	_, short, _ := strings.Cut(issuer(x), "://")
	if !good || int64(expires) <= x.Server.Config.Now().Unix() || (claims["iss"] != issuer(x) && claims["iss"] != short) {
		return nil, false
	}
	fields := map[string]string{"alg": header.Alg, "kid": header.Kid, "typ": header.Typ}
	for name, value := range claims {
		switch v := value.(type) {
		case float64:
			fields[name] = strconv.FormatInt(int64(v), 10)
		default:
			fields[name] = fmt.Sprint(v)
		}
	}
	return fields, true
}

// decodePart decodes one of the JSON parts of a token.
func decodePart(part string, into any) bool {
	data, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(data, into) == nil
}
