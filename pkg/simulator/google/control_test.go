package google_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// TestGoogleControlRoutes uses the control routes in place of the methods.
func TestGoogleControlRoutes(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	control := s.URL() + "/_control/google/"
	if a := wiretest.Post(t, control+"users", `{"sub":"7","email":"li@example.com","name":"Li Na"}`); a.Status != 200 || !strings.Contains(string(a.Body), `"sub":"7"`) {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	if user := s.Google().User("li@example.com"); user.Sub != "7" || user.Verified || user.Name != "Li Na" {
		t.Errorf("user %+v", user)
	}
	if a := wiretest.Get(t, control+"users"); !strings.Contains(string(a.Body), "li@example.com") {
		t.Errorf("the users are %s", a.Body)
	}
	if a := wiretest.Post(t, control+"clients", `[{"id":"mine","secret":"s","redirect_uris":["https://app.example.com/"]}]`); a.Status != 200 || strings.Contains(string(a.Body), simulator.GoogleClientID) {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	if a := wiretest.Post(t, control+"clients", `[]`); a.Status != 200 || !strings.Contains(string(a.Body), simulator.GoogleClientID) {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	if a := wiretest.Get(t, control+"clients"); !strings.Contains(string(a.Body), simulator.GoogleClientSecret) {
		t.Errorf("the clients are %s", a.Body)
	}

	token := textOf(t, wiretest.Post(t, control+"id_token", `{"email":"li@example.com","client_id":"mine","claims":{"exp":1,"name":null,"nonce":"n"},"header":{"typ":"X"}}`).Fields(t), "id_token")
	header, claims, verifies := openToken(t, s, token)
	if !verifies || header["typ"] != "X" || claims["sub"] != "7" || claims["exp"] != 1.0 || claims["name"] != nil || claims["nonce"] != "n" || claims["iss"] != s.GoogleURL() {
		t.Errorf("%v, %v; it verifies: %t", header, claims, verifies)
	}
	for path, body := range map[string]string{"users": `{"email":""}`, "clients": `{}`, "id_token": `{"email":"a@b"}`} {
		if a := wiretest.Post(t, control+path, body); a.Status != http.StatusBadRequest {
			t.Errorf("%s: status %d", path, a.Status)
		}
	}
	if a := wiretest.Post(t, control+"id_token", `{"email":"a@b","client_id":"c","header":{"alg":"ES256"}}`); a.Status != http.StatusBadRequest {
		t.Errorf("ES256: status %d", a.Status)
	}
	if a := wiretest.Post(t, control+"users", `{"mail":"x"}`); a.Status != http.StatusBadRequest {
		t.Errorf("an unknown field: status %d", a.Status)
	}
	if a := wiretest.Post(t, control+"rotate", "", "Content-Type", "application/json", "Origin", "https://evil.example"); a.Status != http.StatusForbidden {
		t.Errorf("from a page: status %d", a.Status)
	}
}

// TestGoogleRules scripts rules by kind, by user and for all of Google.
func TestGoogleRules(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	simulatortest.Script(t, s,
		simulator.Rule{Fault: "server_error"}, // It applies to image, speech and chat.
		simulator.Rule{Kind: simulator.KindToken, Contains: "mei@", Status: 418, Body: "tea"},
		simulator.Rule{Kind: simulator.KindUserinfo, Fault: "html_502", Times: 1},
	)
	if a := redeem(t, s, allowed(t, s, "ada@example.com")); a.Status != http.StatusOK {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	if a := redeem(t, s, allowed(t, s, "mei@example.com")); a.Status != http.StatusTeapot {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	if a := wiretest.Get(t, s.GoogleURL()+"/v1/userinfo"); a.Status != http.StatusBadGateway {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
	s.Clear()
	simulatortest.Script(t, s, simulator.Rule{Dialect: simulator.DialectGoogle, Fault: "unavailable"})
	for _, path := range []string{"/.well-known/openid-configuration", "/oauth2/v3/certs", "/v1/userinfo", "/tokeninfo"} {
		if a := wiretest.Get(t, s.GoogleURL()+path); a.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: status %d", path, a.Status)
		}
	}
	if a := wiretest.Get(t, s.URL()+"/image/a%20cat?width=8&height=8"); a.Status != http.StatusOK {
		t.Errorf("the gateway: status %d", a.Status)
	}
}

// TestGoogleCalls checks the recorded calls.
func TestGoogleCalls(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	tokens := redeem(t, s, allowed(t, s, "ada@example.com", "access_type", "offline")).Fields(t)
	wiretest.Get(t, s.GoogleURL()+"/tokeninfo?id_token="+textOf(t, tokens, "id_token"))
	wiretest.Post(t, s.GoogleURL()+"/revoke", "token="+textOf(t, tokens, "refresh_token"), "Content-Type", formType)
	redeem(t, s, "", "grant_type", "refresh_token", "refresh_token", textOf(t, tokens, "refresh_token"))

	token := s.Calls(simulator.KindToken)[0]
	if token.Dialect != simulator.DialectGoogle || token.Model != simulator.GoogleClientID || token.Prompt != "ada@example.com" ||
		token.Body["code_verifier"] != verifierText || token.Body["client_secret"] != "***" || token.Status != http.StatusOK {
		t.Errorf("%+v", token)
	}
	if consent := s.Calls(simulator.KindAuthorize)[0]; consent.Query.Get("nonce") != "n-1" || consent.Body["decision"] != "allow" {
		t.Errorf("%+v", consent)
	}
	calls := string(wiretest.Get(t, s.URL()+"/_control/calls").Body)
	for _, secret := range []string{simulator.GoogleClientSecret, textOf(t, tokens, "id_token"), textOf(t, tokens, "refresh_token"), textOf(t, tokens, "access_token")} {
		if strings.Contains(calls, secret) {
			t.Errorf("the calls show %s", secret)
		}
	}
}
