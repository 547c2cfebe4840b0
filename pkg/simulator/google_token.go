package simulator

import (
	"crypto/sha256"
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// readForm reads the form of the body; what is none counts as an empty one.
func (x *exchange) readForm() {
	x.form = url.Values{}
	if mediaType, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type")); err == nil && mediaType == "application/x-www-form-urlencoded" {
		x.form, _ = url.ParseQuery(string(x.body)) // What cannot be read is left out, as in a query.
	}
}

// showForm is what a Call shows of a form: no secret that is good for longer
// than the call.
func showForm(form url.Values) map[string]any {
	fields := map[string]any{}
	for name := range form {
		fields[name] = form.Get(name)
	}
	for _, secret := range []string{"client_secret", "refresh_token", "token"} {
		if form.Has(secret) {
			fields[secret] = "***"
		}
	}
	return fields
}

// arriveAtGoogle is arrive for a request to Google: of a client, about a user.
func (x *exchange) arriveAtGoogle(client, email string) bool { return x.arrive(client, email, "") }

// refuseGrant writes an error of OAuth.
func (x *exchange) refuseGrant(status int, code, description string) {
	x.refuse(failure{status: status, code: code, message: description})
}

// tokenAnswer is what the token route gives, in the order of the wire.
type tokenAnswer struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
	TokenType    string `json:"token_type"`
	IDToken      string `json:"id_token,omitempty"`
}

// googleToken serves POST /token: a code, or a refresh token, for tokens.
func (x *exchange) googleToken() {
	x.readForm()
	id, secret, basic := x.r.BasicAuth()
	if basic {
		id, secret = unescape(id), unescape(secret)
	} else {
		id, secret = x.form.Get("client_id"), x.form.Get("client_secret")
	}
	code, fresh := x.s.google.grants.code(x.form.Get("code"))
	if !x.arriveAtGoogle(id, code.user.Email) {
		return
	}
	if name, found := repeated(x.form); found {
		x.refuseGrant(http.StatusBadRequest, "invalid_request", "OAuth 2 parameters can only have a single value: "+name)
		return
	}
	grant := x.form.Get("grant_type")
	switch {
	case grant == "":
		x.refuseGrant(http.StatusBadRequest, "invalid_request", "Missing required parameter: grant_type")
		return
	case grant != "authorization_code" && grant != "refresh_token":
		x.refuseGrant(http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: "+grant)
		return
	case !x.isClient(id, secret):
		return
	case grant == "refresh_token":
		x.renewGrant(id)
		return
	case x.form.Get("code") == "":
		x.refuseGrant(http.StatusBadRequest, "invalid_request", "Missing required parameter: code")
		return
	case !strings.HasPrefix(x.form.Get("code"), "4/"):
		x.refuseGrant(http.StatusBadRequest, "invalid_grant", "Malformed auth code.")
		return
	case !fresh:
		x.refuseGrant(http.StatusBadRequest, "invalid_grant", "Bad Request")
		return
	case code.client != id:
		x.refuseGrant(http.StatusUnauthorized, "unauthorized_client", "Unauthorized")
		return
	case code.redirect != x.form.Get("redirect_uri"):
		x.refuseGrant(http.StatusBadRequest, "redirect_uri_mismatch", "Bad Request")
		return
	}
	if fault := code.verify(x.form.Get("code_verifier")); fault != "" {
		x.refuseGrant(http.StatusBadRequest, "invalid_grant", fault)
		return
	}
	access, refresh, first := x.s.google.grants.redeem(x.form.Get("code"))
	if !first { // Another request was quicker.
		x.refuseGrant(http.StatusBadRequest, "invalid_grant", "Bad Request")
		return
	}
	x.sendTokens(access, refresh, &code.googleSession)
}

// isClient reports whether the client is who it says, and refuses it else.
func (x *exchange) isClient(id, secret string) bool {
	client, found := x.s.google.client(id)
	switch {
	case id == "":
		x.refuseGrant(http.StatusBadRequest, "invalid_request", "Could not determine client ID from request.")
	case !found:
		x.refuseGrant(http.StatusUnauthorized, "invalid_client", "The OAuth client was not found.")
	case secret == "":
		x.refuseGrant(http.StatusBadRequest, "invalid_request", "client_secret is missing.")
	case secret != client.Secret:
		x.refuseGrant(http.StatusUnauthorized, "invalid_client", "Unauthorized")
	default:
		return true
	}
	return false
}

// verify holds a verifier against the challenge and words what is wrong.
func (a authorization) verify(verifier string) string {
	proof := verifier
	if a.method == "S256" {
		sum := sha256.Sum256([]byte(verifier))
		proof = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	switch {
	case a.challenge == "" && verifier == "":
		return ""
	case a.challenge == "":
		return "code_verifier or verifier is not needed."
	case verifier == "":
		return "Missing code verifier."
	case proof != a.challenge:
		return "Invalid code verifier."
	default:
		return ""
	}
}

// renewGrant answers a refresh token.
func (x *exchange) renewGrant(client string) {
	access, session, ok := x.s.google.grants.renew(x.form.Get("refresh_token"), client)
	switch {
	case x.form.Get("refresh_token") == "":
		x.refuseGrant(http.StatusBadRequest, "invalid_request", "Missing required parameter: refresh_token")
	case !ok:
		x.refuseGrant(http.StatusBadRequest, "invalid_grant", "Bad Request")
	default:
		again := *session
		again.nonce = "" // It belonged to the first sign-in.
		x.sendTokens(access, "", &again)
	}
}

// sendTokens writes the tokens, the id_token as the rule that matched wants it.
func (x *exchange) sendTokens(access, refresh string, session *googleSession) {
	answer := tokenAnswer{
		AccessToken: access, ExpiresIn: int(googleTokenLife.Seconds()) - 1, RefreshToken: refresh, Scope: session.scopes.list(false), TokenType: "Bearer",
	}
	if session.scopes.openid {
		token, err := x.idToken(session, access)
		if err != nil {
			x.refuse(failure{status: http.StatusInternalServerError, message: "no keys"})
			return
		}
		answer.IDToken = token
	}
	x.w.Header().Set("Cache-Control", "no-store")
	x.sendJSON(http.StatusOK, answer)
}

// unescape reads a name or secret as OAuth writes it into basic credentials.
func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
