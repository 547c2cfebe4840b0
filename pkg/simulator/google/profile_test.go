package google_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// TestGoogleUserinfoRejectsInvalidTokens requests a profile without a valid token.
func TestGoogleUserinfoRejectsInvalidTokens(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	for _, bearer := range []string{"", "Bearer ya29.nothing", "Basic eDp5"} {
		for _, path := range []string{"/v1/userinfo", "/oauth2/v3/userinfo"} {
			a := wiretest.Get(t, s.GoogleURL()+path, "Authorization", bearer)
			wantError(t, a, 401, "invalid_request", "Invalid Credentials")
		}
		a := wiretest.Get(t, s.GoogleURL()+"/oauth2/v2/userinfo", "Authorization", bearer)
		fields := a.Fields(t)
		missing := strings.HasPrefix(wiretest.At(t, fields, "error", "message").(string), "Request is missing required authentication credential. ")
		if a.Status != 401 || wiretest.At(t, fields, "error", "code") != 401.0 || wiretest.At(t, fields, "error", "status") != "UNAUTHENTICATED" || missing != (bearer == "") {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	}
	simulatortest.Script(t, s, simulator.Rule{Dialect: simulator.DialectGoogle, Fault: "unavailable", Times: 2})
	if a := wiretest.Get(t, s.GoogleURL()+"/oauth2/v2/userinfo"); a.Status != 503 || wiretest.At(t, a.Fields(t), "error", "status") != "UNAVAILABLE" {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	wantError(t, wiretest.Get(t, s.GoogleURL()+"/v1/userinfo"), 503, "temporarily_unavailable", "The service is temporarily unavailable.")
}

// TestGoogleRefreshAndRevoke runs through a session with offline access.
func TestGoogleRefreshAndRevoke(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	offline := []string{"access_type", "offline"}
	first := redeem(t, s, allowed(t, s, "ada@example.com", offline...)).Fields(t)
	refresh := textOf(t, first, "refresh_token")
	if !strings.HasPrefix(refresh, "1//0") {
		t.Errorf("the refresh token is %s", refresh)
	}
	if again := redeem(t, s, allowed(t, s, "ada@example.com", offline...)).Fields(t); again["refresh_token"] != nil {
		t.Error("the second consent gives another refresh token")
	}
	if prompted := redeem(t, s, allowed(t, s, "ada@example.com", append(offline, "prompt", "select_account consent")...)).Fields(t); prompted["refresh_token"] == nil {
		t.Error("prompt=consent gives no refresh token")
	}
	if other := redeem(t, s, allowed(t, s, "mei@example.com", offline...)).Fields(t); other["refresh_token"] == nil {
		t.Error("another user gets no refresh token")
	}

	renew := []string{"grant_type", "refresh_token", "refresh_token", refresh, "code", "", "redirect_uri", "", "code_verifier", ""}
	renewed := redeem(t, s, "", renew...).Fields(t)
	claims := claimsOf(t, s, textOf(t, renewed, "id_token"))
	if renewed["access_token"] == first["access_token"] || renewed["refresh_token"] != nil || claims["email"] != "ada@example.com" || claims["nonce"] != nil {
		t.Errorf("renewed: %v, %v", renewed, claims)
	}

	revoke := func(text string) wiretest.Response {
		return wiretest.Post(t, s.GoogleURL()+"/revoke", url.Values{"token": {text}}.Encode(), "Content-Type", formType)
	}
	if a := revoke(textOf(t, renewed, "access_token")); a.Status != http.StatusOK || string(a.Body) != "{}" {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	wantError(t, revoke(refresh), 400, "invalid_token", "Token expired or revoked")
	wantError(t, revoke(""), 400, "invalid_request", "Missing required parameter: token")
	wantError(t, redeem(t, s, "", renew...), 400, "invalid_grant", "Bad Request")
	if a := wiretest.Get(t, s.GoogleURL()+"/v1/userinfo", "Authorization", "Bearer "+textOf(t, first, "access_token")); a.Status != http.StatusUnauthorized {
		t.Errorf("the access token of a revoked session: status %d", a.Status)
	}
	if anew := redeem(t, s, allowed(t, s, "ada@example.com", offline...)).Fields(t); anew["refresh_token"] == nil {
		t.Error("a consent after the revocation gives no refresh token")
	}
}

// TestGoogleTokenInfo checks the descriptions of tokens, whose values are strings.
func TestGoogleTokenInfo(t *testing.T) {
	t.Parallel()
	c := clocktest.New(atNoon())
	s := simulatortest.StartWith(t, simulator.Config{Now: c.Now})
	tokens := redeem(t, s, allowed(t, s, "work@example.org")).Fields(t)
	good := textOf(t, tokens, "id_token")
	info := func(name, token string) wiretest.Response {
		return wiretest.Get(t, s.GoogleURL()+"/tokeninfo?"+url.Values{name: {token}}.Encode())
	}
	a := info("id_token", good)
	fields := a.Fields(t)
	for name, want := range map[string]any{
		"iss": s.GoogleURL(), "aud": simulator.GoogleClientID, "email": "work@example.org", "email_verified": "true",
		"exp": "1772370000", "iat": "1772366400", "nonce": "n-1", "hd": "example.org", "alg": "RS256", "typ": "JWT",
	} {
		if fields[name] != want {
			t.Errorf("%s is %#v, want %#v", name, fields[name], want)
		}
	}
	access := info("access_token", textOf(t, tokens, "access_token")).Fields(t)
	if access["aud"] != simulator.GoogleClientID || access["expires_in"] != "3600" || access["email_verified"] != "true" || access["access_type"] != "online" {
		t.Errorf("the access token: %v", access)
	}
	for name, value := range access {
		if _, ok := value.(string); !ok {
			t.Errorf("%s is not a string", name)
		}
	}

	google := s.Google()
	claims := google.Claims(google.User("ada@example.com"), simulator.GoogleClientID)
	claims["iss"] = "https://accounts.example.com"
	foreign, err := google.Sign(claims, nil)
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := google.Sign(google.Claims(google.User("ada@example.com"), simulator.GoogleClientID), map[string]any{"alg": "none"})
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]string{"nothing": "", "words": "a.b.c", "cut": good[:len(good)-8], "foreign": foreign, "unsigned": unsigned} {
		t.Run(name, func(t *testing.T) {
			wantError(t, info("id_token", token), 400, "invalid_token", "Invalid Value")
			wantError(t, info("access_token", token), 400, "invalid_token", "Invalid Value")
		})
	}
	wantError(t, wiretest.Get(t, s.GoogleURL()+"/tokeninfo"), 400, "invalid_request", "either access_token, id_token, or token_handle required")
	c.Advance(3600 * 1e9)
	wantError(t, info("id_token", good), 400, "invalid_token", "Invalid Value")
}
