package server_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

func TestGoogleNotConfigured(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, r := range []*reply{
		b.get(t, authRoute+"google"), b.auth(t, "google-oauth", fields{"code": "c", "state": "s"}), b.auth(t, "google-login", fields{"idToken": "x"}),
	} {
		r.accountError(t, http.StatusUnauthorized, "google_disabled")
		var f struct{ ConfigErrors []string }
		if r.decode(t, &f); fmt.Sprint(f.ConfigErrors) != "[GOOGLE_CLIENT_ID GOOGLE_CLIENT_SECRET]" {
			t.Errorf("response %s", r.body)
		}
	}
	for _, route := range []string{"google-oauth", "google-login"} {
		b.post(t, authRoute+route, []byte("{")).accountError(t, http.StatusBadRequest, "invalid_json")
	}
	if got := b.get(t, authRoute+"providers").expect(t, http.StatusOK); maskRequestIDs(got.body) != `{"providers":{"google":false},"success":true}`+"\n" {
		t.Errorf("providers %q", got.body)
	}
	page := b.get(t, authRoute+"google", header("Accept", "text/html,*/*")).expect(t, http.StatusFound)
	if page.Header.Get("Location") != server.GooglePath+"?error=google_disabled&state=" {
		t.Errorf("redirected to %s", page.Header.Get("Location"))
	}
}

func TestGoogleFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule         simulator.Rule
		status       int
		code, google string
		theirs       int
		settings     string
	}{
		"used code":    {simulator.Rule{Fault: "invalid_grant"}, 401, "google_refused", "invalid_grant", 400, ""},
		"another uri":  {simulator.Rule{Fault: "redirect_uri_mismatch"}, 401, "google_misconfigured", "redirect_uri_mismatch", 400, "GOOGLE_REDIRECT_URI"},
		"no client":    {simulator.Rule{Fault: "invalid_client"}, 401, "google_misconfigured", "invalid_client", 401, "GOOGLE_CLIENT_ID"},
		"wrong secret": {simulator.Rule{Fault: "wrong_client_secret"}, 401, "google_misconfigured", "invalid_client", 401, "GOOGLE_CLIENT_SECRET"},
		"server error": {simulator.Rule{Fault: "server_error"}, 503, "google_unavailable", "internal_failure", 500, ""},
		"cut off":      {simulator.Rule{Fault: "reset"}, 503, "google_unavailable", "", 0, ""},
		"forged":       {simulator.Rule{Fault: "id_token_unknown_kid"}, 401, "google_token", "", 0, ""},
		"wrong nonce":  {simulator.Rule{Fault: "id_token_wrong_nonce"}, 401, "google_token", "", 0, ""},
		"alg none":     {simulator.Rule{Fault: "id_token_alg_none"}, 401, "google_token", "", 0, ""},
		"unverified":   {simulator.Rule{Fault: "id_token_unverified_text"}, 401, "google_email_unverified", "", 0, ""},
		"no email":     {simulator.Rule{Fault: "id_token_without_email"}, 401, "google_email_unverified", "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := withGoogle(t).browser(t)
			c.rule.Kind = simulator.KindToken
			simulatortest.Script(t, g.sim, c.rule)
			resp := g.auth(t, "google-oauth", g.authorizeAs(t, "ada@example.com").body())
			resp.accountError(t, c.status, c.code)
			var f struct {
				Google       string   `json:"google_error"`
				Description  *string  `json:"google_error_description"`
				Status       int      `json:"status"`
				ConfigErrors []string `json:"configErrors"`
			}
			resp.decode(t, &f)
			if f.Google != c.google || (f.Description != nil) != (c.google != "") || f.Status != c.theirs || strings.Join(f.ConfigErrors, " ") != c.settings {
				t.Errorf("response %s", resp.body)
			}
			if unavailable := c.status == http.StatusServiceUnavailable; (resp.Header.Get("Retry-After") != "") != unavailable {
				t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
			}
			logged := map[string]string{"google_misconfigured": c.settings, "google_refused": "rejected the code", "google_token": `"reason":"`}[c.code]
			if !strings.Contains(g.log.String(), logged) {
				t.Errorf("%q is not in the log: %s", logged, g.log)
			}
			if g.jarCookie(t, "auth_token") != nil {
				t.Error("a session cookie was set")
			}
			g.sim.Clear()
			g.signIn(t, "ada@example.com") // Only this attempt failed.
		})
	}
	t.Run("unavailable", func(t *testing.T) {
		t.Parallel()
		g := withGoogle(t)
		simulatortest.Script(t, g.sim, simulator.Rule{Kind: simulator.KindDiscovery, Fault: "server_error"})
		resp := g.get(t, authRoute+"google")
		resp.accountError(t, http.StatusServiceUnavailable, "google_unavailable")
		if resp.Header.Get("Retry-After") == "" || len(resp.Cookies()) != 0 {
			t.Errorf("%v", resp.Header)
		}
		page := g.get(t, authRoute+"google", header("Accept", "text/html")).expect(t, http.StatusFound)
		if page.Header.Get("Location") != g.url+server.GooglePath+"?error=google_unavailable&state=" {
			t.Errorf("redirected to %s", page.Header.Get("Location"))
		}
	})
}

func TestGoogleAttemptsAreLimited(t *testing.T) {
	t.Parallel()
	g := withGoogle(t, func(cfg *server.Config, _ *server.Deps) { cfg.MaxSignups = 2 })
	for n := range 40 {
		g.auth(t, "google-login", fields{"idToken": g.idToken(t, fmt.Sprintf("a%d@example.com", n%2), fields{"jti": n})}).expect(t, http.StatusOK)
	}
	g.auth(t, "google-login", fields{"idToken": g.idToken(t, "third@example.com", nil)}).accountError(t, http.StatusTooManyRequests, "too_many_attempts")
	for range 29 {
		g.auth(t, "google-oauth", fields{"code": "c", "state": "s"}).accountError(t, http.StatusUnauthorized, "google_state")
	}
	resp := g.auth(t, "google-oauth", fields{"code": "c", "state": "s"})
	if f := resp.accountError(t, http.StatusTooManyRequests, "too_many_attempts"); f.RetryAfter < 1 {
		t.Errorf("response %s", resp.body)
	}
}

func TestReturnPaths(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	for path, want := range map[string]string{
		"": "/", "/": "/", "/?tab=audio#x": "/?tab=audio#x", "/a/b": "/a/b",
		"//evil.example": "/", "/\\evil.example": "/", "https://evil.example/": "/", "javascript:alert(1)": "/", "evil": "/", "/%2fevil.example": "/",
		"/\t/evil.example": "/", "/ /evil": "/", "/api/auth/google": "/", "///evil.example": "/", "/%5cevil.example": "/", "/a\r\nb": "/", "/" + strings.Repeat("a", 600): "/",
		"//": "/", "/?a=\\b": "/", "http:/evil.example": "/", "?x": "/", "/é": "/",
	} {
		b := g.browser(t)
		code := authorize(t, b.startSignIn(t, "?return="+url.QueryEscape(path)), "ada@example.com")
		var m googleSession
		if b.auth(t, "google-oauth", code.body()).expect(t, http.StatusOK).decode(t, &m); m.Return != want {
			t.Errorf("%q returns to %q, want %q", path, m.Return, want)
		}
	}
}

func TestGoogleIsNotLogged(t *testing.T) {
	t.Parallel()
	g := withGoogle(t).browser(t)
	target := g.startSignIn(t, "?return=/canary")
	flowCookie := g.jarCookie(t, "t2i_google").Value
	code := authorize(t, target, "canary@example.com", "name", "Canary Bird", "sub", "31415926535")
	g.get(t, server.GooglePath+"?code="+url.QueryEscape(code.code)+"&state="+code.state)
	var m googleSession
	g.auth(t, "google-oauth", code.body()).expect(t, http.StatusOK).decode(t, &m)
	g.auth(t, "google-oauth", code.body())
	token := g.idToken(t, "canary@example.com", fields{"nonce": "canary"})
	g.auth(t, "google-login", fields{"idToken": token})
	for _, fault := range []string{"invalid_grant", "invalid_client", "server_error", "id_token_wrong_nonce", "id_token_hs256", "reset"} {
		g.sim.Clear()
		simulatortest.Script(t, g.sim, simulator.Rule{Kind: simulator.KindToken, Fault: fault})
		b := g.browser(t)
		b.auth(t, "google-oauth", b.authorizeAs(t, "canary@example.com").body())
	}
	log := g.log.String()
	for _, private := range []string{"canary", "31415926535", "4/0a", code.state, flowCookie[:40], m.Token, m.User.ID, token[:60], "simulated-secret"} {
		if strings.Contains(strings.ToLower(log), strings.ToLower(private)) {
			t.Errorf("%q is in the log: %s", private, log)
		}
	}
	// Every token starts so. In upper case it may be in the id of a request.
	if strings.Contains(log, "eyJ") {
		t.Errorf("a token is in the log: %s", log)
	}
}

func FuzzFlowCookies(f *testing.F) {
	f.Add(server.SealFlow([]byte(secret), "state", time.Now().Add(time.Hour)))
	f.Add("")
	f.Add(strings.Repeat("A", 300))
	good := server.SealFlow([]byte(secret), "state", time.Now().Add(time.Hour))
	f.Fuzz(func(t *testing.T, value string) {
		if state, ok := server.OpenFlow([]byte(secret), value); ok && value != good && state != "state" {
			t.Errorf("%q opens as %q", value, state)
		}
	})
}

func FuzzReturnPaths(f *testing.F) {
	for _, seed := range []string{"/", "//x", `/\x`, "/%2f/x", "/a?b=c#d", "http://x"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://page.example/auth/google/callback")
	must(f, err)
	f.Fuzz(func(t *testing.T, raw string) {
		path := server.ReturnPath(raw)
		u, err := base.Parse(path)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
			t.Errorf("%q returns to %q", raw, path)
		}
	})
}
