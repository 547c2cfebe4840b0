package google

import (
	"crypto/sha256"
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// readForm returns the form of the body, which is empty if the body is not a form. It
// records the form in the call, without secrets that outlive the call.
func readForm(x *kit.Exchange) url.Values {
	form := url.Values{}
	if mediaType, _, err := mime.ParseMediaType(x.Request.Header.Get("Content-Type")); err == nil && mediaType == "application/x-www-form-urlencoded" {
		form, _ = url.ParseQuery(string(x.Body)) // Invalid parts are dropped, as in a query.
	}
	x.Fields = map[string]any{}
	for name := range form {
		x.Fields[name] = form.Get(name)
		if slices.Contains([]string{"client_secret", "refresh_token", "token"}, name) {
			x.Fields[name] = "***"
		}
	}
	return form
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
	code, _, fresh := g.grants.find(codePrefix, form.Get("code"))
	if !x.Arrive(id, code.user.Email, "") {
		return
	}
	failure := repeated(form)
	if failure == nil {
		failure = g.authenticate(form.Get("grant_type"), id, secret)
	}
	var access, refresh string
	granted := *code
	switch {
	case failure != nil:
	case form.Get("grant_type") == "refresh_token":
		access, granted, failure = g.renew(id, form.Get("refresh_token"))
	default:
		if failure = checkCode(form, code, fresh, id); failure != nil {
			break
		}
		var first bool
		if access, refresh, first = g.grants.redeem(form.Get("code")); !first { // Another request was faster.
			failure = badRequest("invalid_grant", "Bad Request")
		}
	}
	if failure != nil {
		x.Fail(*failure)
		return
	}
	g.sendTokens(x, access, refresh, &granted)
}

// authenticate checks the grant type and the secret of a client.
func (g *Provider) authenticate(grant, id, secret string) *kit.Failure {
	client, found := g.client(id)
	switch {
	case grant == "":
		return badRequest("invalid_request", "Missing required parameter: grant_type")
	case grant != "authorization_code" && grant != "refresh_token":
		return badRequest("unsupported_grant_type", "Invalid grant_type: "+grant)
	case id == "":
		return badRequest("invalid_request", "Could not determine client ID from request.")
	case !found:
		return unauthorized("invalid_client", "The OAuth client was not found.")
	case secret == "":
		return badRequest("invalid_request", "client_secret is missing.")
	case secret != client.Secret:
		return unauthorized("invalid_client", "Unauthorized")
	}
	return nil
}

// checkCode checks that a client may redeem a code.
func checkCode(form url.Values, code *session, fresh bool, client string) *kit.Failure {
	switch text := form.Get("code"); {
	case text == "":
		return badRequest("invalid_request", "Missing required parameter: code")
	case !strings.HasPrefix(text, "4/"):
		return badRequest("invalid_grant", "Malformed auth code.")
	case !fresh:
		return badRequest("invalid_grant", "Bad Request")
	case code.client != client:
		return unauthorized("unauthorized_client", "Unauthorized")
	case code.redirect != form.Get("redirect_uri"):
		return badRequest("redirect_uri_mismatch", "Bad Request")
	}
	if message := code.verify(form.Get("code_verifier")); message != "" {
		return badRequest("invalid_grant", message)
	}
	return nil
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

// renew returns another access token for a refresh token, and its session.
func (g *Provider) renew(client, refresh string) (string, session, *kit.Failure) {
	if refresh == "" {
		return "", session{}, badRequest("invalid_request", "Missing required parameter: refresh_token")
	}
	access, found, ok := g.grants.renew(refresh, client)
	if !ok {
		return "", session{}, badRequest("invalid_grant", "Bad Request")
	}
	again := *found
	again.nonce = "" // It belonged to the first sign-in.
	return access, again, nil
}

// sendTokens sends the tokens; the rule that applies may change the id_token.
func (g *Provider) sendTokens(x *kit.Exchange, access, refresh string, session *session) {
	response := map[string]any{
		"access_token": access, "expires_in": int(tokenLifetime.Seconds()) - 1, "scope": session.scopes.list(false), "token_type": "Bearer",
	}
	if refresh != "" {
		response["refresh_token"] = refresh
	}
	if session.scopes.has("openid") {
		token, err := g.idToken(x, session, access)
		if err != nil {
			x.Fail(kit.Failure{Status: http.StatusInternalServerError, Message: "no keys"})
			return
		}
		if token != "" {
			response["id_token"] = token
		}
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
