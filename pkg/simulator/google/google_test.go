package google_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

const (
	formType     = "application/x-www-form-urlencoded"
	redirectURI  = "http://127.0.0.1:3000/api/auth/google/callback"
	verifierText = "a-verifier-that-is-as-long-as-it-has-to-be-or-longer"
)

// s256 returns the challenge of a verifier.
func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// withPairs sets pairs of name and value; an empty value removes the name.
func withPairs(values url.Values, pairs []string) url.Values {
	for n := 0; n+1 < len(pairs); n += 2 {
		values.Set(pairs[n], pairs[n+1])
		if pairs[n+1] == "" {
			values.Del(pairs[n])
		}
	}
	return values
}

// authURL returns the URL of a valid authorization, changed by pairs.
func authURL(s *simulator.Simulator, pairs ...string) string {
	return s.GoogleURL() + authQuery(pairs...)
}

// authQuery returns that URL relative to the issuer.
func authQuery(pairs ...string) string {
	return "/o/oauth2/v2/auth?" + withPairs(url.Values{
		"client_id": {simulator.GoogleClientID}, "redirect_uri": {redirectURI}, "response_type": {"code"},
		"scope": {"openid email profile"}, "state": {"a state/+ %2F&="}, "nonce": {"n-1"},
		"code_challenge": {s256(verifierText)}, "code_challenge_method": {"S256"},
	}, pairs).Encode()
}

// redeem exchanges a code for tokens, with a valid request changed by pairs.
func redeem(t *testing.T, s *simulator.Simulator, code string, pairs ...string) wiretest.Response {
	t.Helper()
	form := withPairs(url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {simulator.GoogleClientID},
		"client_secret": {simulator.GoogleClientSecret}, "redirect_uri": {redirectURI}, "code_verifier": {verifierText},
	}, pairs)
	return wiretest.Post(t, s.GoogleURL()+"/token", form.Encode(), "Content-Type", formType, "Authorization", "")
}

// allowed signs a user in and returns the code.
func allowed(t *testing.T, s *simulator.Simulator, email string, pairs ...string) string {
	t.Helper()
	return simulatortest.Decide(t, authURL(s, pairs...), "allow", "email", email).Query().Get("code")
}

// textOf returns a field that must be a string.
func textOf(t *testing.T, fields map[string]any, name string) string {
	t.Helper()
	text, ok := fields[name].(string)
	if !ok {
		t.Fatalf("%s is %v", name, fields[name])
	}
	return text
}

// TestGoogleSignIn uses every route in the order of a sign-in.
func TestGoogleSignIn(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	base := s.GoogleURL()
	document := wiretest.Get(t, base+"/.well-known/openid-configuration").Fields(t)
	for name, want := range map[string]string{
		"issuer": base, "authorization_endpoint": base + "/o/oauth2/v2/auth", "token_endpoint": base + "/token",
		"userinfo_endpoint": base + "/v1/userinfo", "revocation_endpoint": base + "/revoke", "jwks_uri": base + "/oauth2/v3/certs",
	} {
		if document[name] != want {
			t.Errorf("%s is %v, want %s", name, document[name], want)
		}
	}

	back := simulatortest.Decide(t, authURL(s), "allow", "email", "ada@example.com")
	if !strings.HasPrefix(back.String(), redirectURI+"?state=a%20state%2F%2B%20%252F%26%3D&code=4%2F0A") {
		t.Errorf("redirected to %s", back)
	}
	query := back.Query()
	for name, want := range map[string]string{
		"state": "a state/+ %2F&=", "authuser": "0", "prompt": "consent",
		"scope": "email https://www.googleapis.com/auth/userinfo.email profile https://www.googleapis.com/auth/userinfo.profile openid",
	} {
		if got := query.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}

	a := redeem(t, s, query.Get("code"))
	tokens := a.Fields(t)
	if a.Status != 200 || !strings.HasPrefix(textOf(t, tokens, "access_token"), "ya29.") || tokens["expires_in"] != 3599.0 ||
		tokens["token_type"] != "Bearer" || tokens["refresh_token"] != nil ||
		tokens["scope"] != "https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile openid" {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	claims := claimsOf(t, s, textOf(t, tokens, "id_token"))
	for name, want := range map[string]any{
		"iss": base, "aud": simulator.GoogleClientID, "azp": simulator.GoogleClientID, "nonce": "n-1", "email": "ada@example.com",
		"email_verified": true, "name": "Ada Lovelace", "given_name": "Ada", "family_name": "Lovelace",
	} {
		if claims[name] != want {
			t.Errorf("the claim %s is %v, want %v", name, claims[name], want)
		}
	}
	if life := claims["exp"].(float64) - claims["iat"].(float64); life != 3600 {
		t.Errorf("the id_token is valid for %v s", life)
	}

	bearer := []string{"Authorization", "Bearer " + textOf(t, tokens, "access_token")}
	for _, path := range []string{"/v1/userinfo", "/oauth2/v3/userinfo"} {
		profile := wiretest.Get(t, base+path, bearer...).Fields(t)
		if profile["sub"] != claims["sub"] || profile["email_verified"] != true || profile["id"] != nil || profile["iss"] != nil {
			t.Errorf("%s returns %v", path, profile)
		}
	}
	older := wiretest.Get(t, base+"/oauth2/v2/userinfo", bearer...).Fields(t)
	if older["id"] != claims["sub"] || older["verified_email"] != true || older["sub"] != nil || older["email_verified"] != nil {
		t.Errorf("/v2/userinfo returns %v", older)
	}
	if avatar := wiretest.Get(t, textOf(t, older, "picture")); avatar.Status != 200 || avatar.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("the avatar: status %d, %s", avatar.Status, avatar.Header.Get("Content-Type"))
	}
}

// atNoon returns a fixed time.
func atNoon() time.Time { return time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC) }
