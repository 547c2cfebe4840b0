package google_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// wantError fails the test unless a wiretest.Response is the given error of OAuth.
func wantError(t *testing.T, a wiretest.Response, status int, code, description string) {
	t.Helper()
	fields := a.Fields(t)
	if a.Status != status || fields["error"] != code || fields["error_description"] != description || len(fields) != 2 {
		t.Errorf("status %d, want %d %s %q: %s", a.Status, status, code, description, a.Body)
	}
	if a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q", a.Header.Get("Cache-Control"))
	}
}

// TestGoogleRejectsTokenRequests sends each kind of invalid request to the token route.
func TestGoogleRejectsTokenRequests(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	s.Google().SetClients(
		simulator.GoogleClient{ID: simulator.GoogleClientID, Secret: simulator.GoogleClientSecret},
		simulator.GoogleClient{ID: "other", Secret: "other's"},
	)
	noPKCE := []string{"code_challenge", "", "code_challenge_method", ""}
	plain := []string{"code_challenge", verifierText, "code_challenge_method", "plain"}
	for name, row := range map[string]struct {
		ask         []string // of the authorization
		pairs       []string // of the token request
		status      int
		code        string
		description string
	}{
		"no grant type":         {nil, []string{"grant_type", ""}, 400, "invalid_request", "Missing required parameter: grant_type"},
		"another grant type":    {nil, []string{"grant_type", "password"}, 400, "unsupported_grant_type", "Invalid grant_type: password"},
		"no client":             {nil, []string{"client_id", ""}, 400, "invalid_request", "Could not determine client ID from request."},
		"unknown client":        {nil, []string{"client_id", "nobody"}, 401, "invalid_client", "The OAuth client was not found."},
		"no secret":             {nil, []string{"client_secret", ""}, 400, "invalid_request", "client_secret is missing."},
		"wrong secret":          {nil, []string{"client_secret", "guess"}, 401, "invalid_client", "Unauthorized"},
		"no code":               {nil, []string{"code", ""}, 400, "invalid_request", "Missing required parameter: code"},
		"escaped code":          {nil, []string{"code", "4%2F0Aabc"}, 400, "invalid_grant", "Malformed auth code."},
		"unknown code":          {nil, []string{"code", "4/0Aabc"}, 400, "invalid_grant", "Bad Request"},
		"another's code":        {nil, []string{"client_id", "other", "client_secret", "other's"}, 401, "unauthorized_client", "Unauthorized"},
		"another redirect URI":  {nil, []string{"redirect_uri", redirectURI + "/"}, 400, "redirect_uri_mismatch", "Bad Request"},
		"no redirect URI":       {nil, []string{"redirect_uri", ""}, 400, "redirect_uri_mismatch", "Bad Request"},
		"no verifier":           {nil, []string{"code_verifier", ""}, 400, "invalid_grant", "Missing code verifier."},
		"wrong verifier":        {nil, []string{"code_verifier", strings.Repeat("x", 43)}, 400, "invalid_grant", "Invalid code verifier."},
		"challenge again":       {nil, []string{"code_verifier", s256(verifierText)}, 400, "invalid_grant", "Invalid code verifier."},
		"plain, hashed":         {plain, []string{"code_verifier", s256(verifierText)}, 400, "invalid_grant", "Invalid code verifier."},
		"plain, none":           {plain, []string{"code_verifier", ""}, 400, "invalid_grant", "Missing code verifier."},
		"unneeded verifier":     {noPKCE, nil, 400, "invalid_grant", "code_verifier or verifier is not needed."},
		"no refresh token":      {nil, []string{"grant_type", "refresh_token"}, 400, "invalid_request", "Missing required parameter: refresh_token"},
		"unknown refresh token": {nil, []string{"grant_type", "refresh_token", "refresh_token", "1//0x"}, 400, "invalid_grant", "Bad Request"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code := allowed(t, s, "ada@example.com", row.ask...)
			wantError(t, redeem(t, s, code, row.pairs...), row.status, row.code, row.description)
			// A rejected request does not redeem the code.
			good := []string{}
			if len(row.ask) > 0 && row.ask[1] == "" {
				good = []string{"code_verifier", ""}
			}
			if a := redeem(t, s, code, good...); a.Status != http.StatusOK {
				t.Errorf("afterwards status %d: %s", a.Status, a.Body)
			}
		})
	}
	code := allowed(t, s, "ada@example.com")
	form := url.Values{"code": {code, code}, "grant_type": {"authorization_code"}}
	wantError(t, wiretest.Post(t, s.GoogleURL()+"/token", form.Encode(), "Content-Type", formType), 400, "invalid_request", "OAuth 2 parameters can only have a single value: code")
	wantError(t, wiretest.Post(t, s.GoogleURL()+"/token", `{"grant_type":"authorization_code"}`), 400, "invalid_request", "Missing required parameter: grant_type")
}

// TestGoogleGrants gets tokens in every way that a client may choose.
func TestGoogleGrants(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	noPKCE := []string{"code_challenge", "", "code_challenge_method", ""}
	for name, row := range map[string]struct{ ask, pairs []string }{
		"S256":               {nil, nil},
		"plain":              {[]string{"code_challenge", verifierText, "code_challenge_method", "plain"}, nil},
		"plain by default":   {[]string{"code_challenge", verifierText, "code_challenge_method", ""}, nil},
		"no PKCE":            {noPKCE, []string{"code_verifier", ""}},
		"no state, no nonce": {[]string{"state", "", "nonce", ""}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if a := redeem(t, s, allowed(t, s, "ada@example.com", row.ask...), row.pairs...); a.Status != http.StatusOK {
				t.Errorf("status %d: %s", a.Status, a.Body)
			}
		})
	}
	t.Run("basic", func(t *testing.T) {
		t.Parallel()
		form := url.Values{"grant_type": {"authorization_code"}, "code": {allowed(t, s, "ada@example.com")}, "redirect_uri": {redirectURI}, "code_verifier": {verifierText}}
		credentials := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(simulator.GoogleClientID) + ":" + url.QueryEscape(simulator.GoogleClientSecret)))
		wantError(t, wiretest.Post(t, s.GoogleURL()+"/token", form.Encode(), "Content-Type", formType, "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("nobody:x"))),
			401, "invalid_client", "The OAuth client was not found.")
		if a := wiretest.Post(t, s.GoogleURL()+"/token", form.Encode(), "Content-Type", formType, "Authorization", "Basic "+credentials); a.Status != http.StatusOK {
			t.Errorf("status %d: %s", a.Status, a.Body)
		}
	})
	t.Run("fewer scopes", func(t *testing.T) {
		t.Parallel()
		tokens := redeem(t, s, allowed(t, s, "ada@example.com", "scope", "openid")).Fields(t)
		claims := claimsOf(t, s, textOf(t, tokens, "id_token"))
		profile := wiretest.Get(t, s.GoogleURL()+"/v1/userinfo", "Authorization", "Bearer "+textOf(t, tokens, "access_token")).Fields(t)
		for _, fields := range []map[string]any{claims, profile} {
			if fields["sub"] == nil || fields["email"] != nil || fields["email_verified"] != nil || fields["name"] != nil || fields["picture"] != nil {
				t.Errorf("it returns %v", fields)
			}
		}
		if tokens := redeem(t, s, allowed(t, s, "ada@example.com", "scope", "email")).Fields(t); tokens["id_token"] != nil {
			t.Error("an id_token without openid")
		}
	})
}

// TestGoogleCodeIsValidOnce redeems a code concurrently.
func TestGoogleCodeIsValidOnce(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	code := allowed(t, s, "ada@example.com")
	if !strings.HasPrefix(code, "4/0A") {
		t.Errorf("the code is %s", code)
	}
	var group sync.WaitGroup
	var good, bad atomic.Int64
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {simulator.GoogleClientID},
		"client_secret": {simulator.GoogleClientSecret}, "redirect_uri": {redirectURI}, "code_verifier": {verifierText},
	}.Encode()
	for range 16 {
		group.Go(func() {
			switch a := wiretest.Send(t.Context(), http.MethodPost, s.GoogleURL()+"/token", form, "Content-Type", formType); a.Status {
			case http.StatusOK:
				good.Add(1)
			case http.StatusBadRequest:
				bad.Add(1)
			}
		})
	}
	group.Wait()
	if good.Load() != 1 || bad.Load() != 15 {
		t.Errorf("%d succeeded, %d were rejected", good.Load(), bad.Load())
	}
	wantError(t, redeem(t, s, code), 400, "invalid_grant", "Bad Request")
}

// TestGoogleExpiry checks the lifetime of codes and tokens.
func TestGoogleExpiry(t *testing.T) {
	t.Parallel()
	c := clocktest.New(atNoon())
	s := simulatortest.StartWith(t, simulator.Config{Now: c.Now})
	late, last := allowed(t, s, "ada@example.com"), allowed(t, s, "ada@example.com")
	c.Advance(10*time.Minute - time.Second)
	tokens := redeem(t, s, last).Fields(t)
	c.Advance(time.Second)
	wantError(t, redeem(t, s, late), 400, "invalid_grant", "Bad Request")

	bearer := []string{"Authorization", "Bearer " + textOf(t, tokens, "access_token")}
	c.Advance(3598 * time.Second)
	if a := wiretest.Get(t, s.GoogleURL()+"/v1/userinfo", bearer...); a.Status != http.StatusOK {
		t.Errorf("before it expires: status %d", a.Status)
	}
	c.Advance(time.Second)
	if a := wiretest.Get(t, s.GoogleURL()+"/v1/userinfo", bearer...); a.Status != http.StatusUnauthorized {
		t.Errorf("after it expired: status %d", a.Status)
	}
}

// TestGoogleGrantsAreBounded grants more codes than are kept.
func TestGoogleGrantsAreBounded(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	first := allowed(t, s, "ada@example.com")
	last := ""
	for range 10_000 {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/google"+authQuery(), strings.NewReader("decision=allow"))
		request.Header.Set("Content-Type", formType)
		recorder := httptest.NewRecorder()
		s.Handler().ServeHTTP(recorder, request)
		back, err := url.Parse(recorder.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		last = back.Query().Get("code")
	}
	wantError(t, redeem(t, s, first), 400, "invalid_grant", "Bad Request")
	if a := redeem(t, s, last); a.Status != http.StatusOK {
		t.Errorf("status %d: %s", a.Status, a.Body)
	}
}
