package simulator

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
)

// bearer finds the session of the access token that came along.
func (x *exchange) bearer() (googleToken, bool) {
	scheme, text, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return googleToken{session: &googleSession{}}, false
	}
	token, ok := x.s.google.grants.token(strings.TrimSpace(text))
	if !ok {
		return googleToken{session: &googleSession{}}, false
	}
	return token, true
}

// googleUserinfo serves both routes that speak the words of OpenID Connect.
func (x *exchange) googleUserinfo() {
	token, ok := x.bearer()
	if !x.arriveAtGoogle(token.session.client, token.session.user.Email) {
		return
	}
	if !ok {
		x.w.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
		x.refuse(failure{status: http.StatusUnauthorized, code: "invalid_request", message: "Invalid Credentials"})
		return
	}
	x.sendJSON(http.StatusOK, token.session.user.about(x.googleBase(), token.session.scopes))
}

// googleUserinfoV2 serves the older route, whose words are its own.
func (x *exchange) googleUserinfoV2() {
	token, ok := x.bearer()
	if !x.arriveAtGoogle(token.session.client, token.session.user.Email) {
		return
	}
	if !ok {
		message := "Request is missing required authentication credential. "
		if x.r.Header.Get("Authorization") != "" {
			message = "Request had invalid authentication credentials. "
		}
		x.refuse(failure{
			status: http.StatusUnauthorized, kind: "UNAUTHENTICATED",
			message: message + "Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
		})
		return
	}
	fields := token.session.user.about(x.googleBase(), token.session.scopes)
	for word, older := range map[string]string{"sub": "id", "email_verified": "verified_email"} {
		if value, there := fields[word]; there {
			fields[older] = value
			delete(fields, word)
		}
	}
	x.sendJSON(http.StatusOK, fields)
}

// googleRevoke serves POST /revoke, with the token in the form or the query.
func (x *exchange) googleRevoke() {
	x.readForm()
	if !x.arriveAtGoogle("", "") {
		return
	}
	text := x.form.Get("token")
	if text == "" {
		text = x.query.Get("token")
	}
	switch {
	case text == "":
		x.refuseGrant(http.StatusBadRequest, "invalid_request", "Missing required parameter: token")
	case !x.s.google.grants.revoke(text):
		x.refuseGrant(http.StatusBadRequest, "invalid_token", "Token expired or revoked")
	default:
		x.sendJSON(http.StatusOK, map[string]any{})
	}
}

// googleTokenInfo reads an id_token or an access token for people who look
// for a mistake. All it says are texts.
func (x *exchange) googleTokenInfo() {
	if !x.arriveAtGoogle("", "") {
		return
	}
	var fields map[string]string
	ok := false
	switch {
	case x.query.Has("id_token"):
		fields, ok = x.readIDToken(x.query.Get("id_token"))
	case x.query.Has("access_token"):
		fields, ok = x.readAccessToken(x.query.Get("access_token"))
	default:
		x.refuseGrant(http.StatusBadRequest, "invalid_request", "either access_token, id_token, or token_handle required")
		return
	}
	if !ok {
		x.refuseGrant(http.StatusBadRequest, "invalid_token", "Invalid Value")
		return
	}
	x.sendJSON(http.StatusOK, fields)
}

func (x *exchange) readAccessToken(access string) (map[string]string, bool) {
	token, ok := x.s.google.grants.token(access)
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
		"exp": strconv.FormatInt(token.expires.Unix(), 10), "expires_in": strconv.Itoa(int(token.expires.Sub(x.s.config.Now()).Seconds())),
	}
	if s.scopes.email {
		fields["email"], fields["email_verified"] = s.user.Email, strconv.FormatBool(s.user.Verified)
	}
	return fields, true
}

// readIDToken verifies an id_token of ours and returns its claims and header
// as texts.
func (x *exchange) readIDToken(token string) (map[string]string, bool) {
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
	keys, noKeys := x.s.google.keys.both()
	if err != nil || noKeys != nil {
		return nil, false
	}
	sum, good := sha256.Sum256([]byte(parts[0]+"."+parts[1])), false
	for _, key := range keys {
		good = good || (key.id == header.Kid && rsa.VerifyPKCS1v15(&key.private.PublicKey, crypto.SHA256, sum[:], signature) == nil)
	}
	expires, _ := claims["exp"].(float64)
	_, short, _ := strings.Cut(x.googleBase(), "://")
	if !good || int64(expires) <= x.s.config.Now().Unix() || (claims["iss"] != x.googleBase() && claims["iss"] != short) {
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

// decodePart reads one of the JSON parts of a token.
func decodePart(part string, into any) bool {
	data, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(data, into) == nil
}
