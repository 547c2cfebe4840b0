package google

import (
	"crypto/sha256"
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// readForm returns the form of the body, which is empty if the body is not a form,
// and records it in the call.
func readForm(x *kit.Exchange) url.Values {
	form := url.Values{}
	if mediaType, _, err := mime.ParseMediaType(x.Request.Header.Get("Content-Type")); err == nil && mediaType == "application/x-www-form-urlencoded" {
		form, _ = url.ParseQuery(string(x.Body)) // Invalid parts are dropped, as in a query.
	}
	x.Fields = redactForm(form)
	return form
}

// redactForm returns what a Call shows of a form: no secret that is valid for longer
// than the call.
func redactForm(form url.Values) map[string]any {
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

// refuseOAuth refuses a request with an error of OAuth.
func refuseOAuth(x *kit.Exchange, status int, code, description string) {
	x.Refuse(kit.Failure{Status: status, Code: code, Message: description})
}

// tokenResponse is the body of the token route, with its keys in the order of the
// wire.
type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
	TokenType    string `json:"token_type"`
	IDToken      string `json:"id_token,omitempty"`
}

// exchangeToken serves POST /token, which exchanges a code or a refresh token for
// tokens.
func (g *Provider) exchangeToken(x *kit.Exchange) {
	form := readForm(x)
	id, secret, basic := x.Request.BasicAuth()
	if basic {
		id, secret = unescape(id), unescape(secret)
	} else {
		id, secret = form.Get("client_id"), form.Get("client_secret")
	}
	code, fresh := g.grants.code(form.Get("code"))
	if !x.Arrive(id, code.user.Email, "") {
		return
	}
	if name, found := repeated(form); found {
		refuseOAuth(x, http.StatusBadRequest, "invalid_request", "OAuth 2 parameters can only have a single value: "+name)
		return
	}
	grant := form.Get("grant_type")
	switch {
	case grant == "":
		refuseOAuth(x, http.StatusBadRequest, "invalid_request", "Missing required parameter: grant_type")
		return
	case grant != "authorization_code" && grant != "refresh_token":
		refuseOAuth(x, http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: "+grant)
		return
	case !g.authenticate(x, id, secret):
		return
	case grant == "refresh_token":
		g.renew(x, id, form.Get("refresh_token"))
		return
	case form.Get("code") == "":
		refuseOAuth(x, http.StatusBadRequest, "invalid_request", "Missing required parameter: code")
		return
	case !strings.HasPrefix(form.Get("code"), "4/"):
		refuseOAuth(x, http.StatusBadRequest, "invalid_grant", "Malformed auth code.")
		return
	case !fresh:
		refuseOAuth(x, http.StatusBadRequest, "invalid_grant", "Bad Request")
		return
	case code.client != id:
		refuseOAuth(x, http.StatusUnauthorized, "unauthorized_client", "Unauthorized")
		return
	case code.redirect != form.Get("redirect_uri"):
		refuseOAuth(x, http.StatusBadRequest, "redirect_uri_mismatch", "Bad Request")
		return
	}
	if message := code.verify(form.Get("code_verifier")); message != "" {
		refuseOAuth(x, http.StatusBadRequest, "invalid_grant", message)
		return
	}
	access, refresh, first := g.grants.redeem(form.Get("code"))
	if !first { // Another request was faster.
		refuseOAuth(x, http.StatusBadRequest, "invalid_grant", "Bad Request")
		return
	}
	g.sendTokens(x, access, refresh, &code.session)
}

// authenticate checks the secret of a client and refuses a wrong one.
func (g *Provider) authenticate(x *kit.Exchange, id, secret string) bool {
	client, found := g.client(id)
	switch {
	case id == "":
		refuseOAuth(x, http.StatusBadRequest, "invalid_request", "Could not determine client ID from request.")
	case !found:
		refuseOAuth(x, http.StatusUnauthorized, "invalid_client", "The OAuth client was not found.")
	case secret == "":
		refuseOAuth(x, http.StatusBadRequest, "invalid_request", "client_secret is missing.")
	case secret != client.Secret:
		refuseOAuth(x, http.StatusUnauthorized, "invalid_client", "Unauthorized")
	default:
		return true
	}
	return false
}

// verify checks a verifier against the challenge and returns an error message, or the
// empty string.
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

// renew responds to a refresh token.
func (g *Provider) renew(x *kit.Exchange, client, refresh string) {
	access, session, ok := g.grants.renew(refresh, client)
	switch {
	case refresh == "":
		refuseOAuth(x, http.StatusBadRequest, "invalid_request", "Missing required parameter: refresh_token")
	case !ok:
		refuseOAuth(x, http.StatusBadRequest, "invalid_grant", "Bad Request")
	default:
		again := *session
		again.nonce = "" // It belonged to the first sign-in.
		g.sendTokens(x, access, "", &again)
	}
}

// sendTokens sends the tokens; the rule that applies may change the id_token.
func (g *Provider) sendTokens(x *kit.Exchange, access, refresh string, session *session) {
	response := tokenResponse{
		AccessToken: access, ExpiresIn: int(tokenLifetime.Seconds()) - 1, RefreshToken: refresh, Scope: session.scopes.list(false), TokenType: "Bearer",
	}
	if session.scopes.openid {
		token, err := g.idToken(x, session, access)
		if err != nil {
			x.Refuse(kit.Failure{Status: http.StatusInternalServerError, Message: "no keys"})
			return
		}
		response.IDToken = token
	}
	x.Header().Set("Cache-Control", "no-store")
	x.SendJSON(http.StatusOK, response)
}

// unescape decodes a name or secret of basic credentials, which OAuth escapes.
func unescape(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
