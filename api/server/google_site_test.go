package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// attempt is a sign-in attempt started by a page at another origin.
type attempt struct{ URL, Attempt string }

// startAttempt starts a sign-in as a page at another origin does.
func (g *googleFixture) startAttempt(t testing.TB, options ...option) attempt {
	t.Helper()
	var o attempt
	resp := g.get(t, authRoute+"google", append(options, header("Accept", "application/json"))...).expect(t, http.StatusOK)
	resp.decode(t, &o)
	if len(resp.Cookies()) != 0 || o.URL == "" || o.Attempt == "" || resp.Header.Get("Cache-Control") != "no-store" || !strings.Contains(resp.Header.Get("Vary"), "Accept") {
		t.Errorf("response %s with %v", resp.body, resp.Header)
	}
	return o
}

// TestGoogleFromAnotherSite signs in on a page at another origin, where the cookie is not sent.
func TestGoogleFromAnotherSite(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	o, other := g.startAttempt(t), g.startAttempt(t)
	code := authorize(t, o.URL, "ada@example.com")
	body := func(attempt any) fields { return fields{"code": code.code, "state": code.state, "attempt": attempt} }
	replacement := "A"
	if o.Attempt[10] == 'A' {
		replacement = "B"
	}
	for name, attempt := range map[string]any{"none": "", "another": other.Attempt, "forged": o.Attempt[:10] + replacement + o.Attempt[11:], "no text": 7} {
		t.Run(name, func(t *testing.T) {
			g.auth(t, "google-oauth", body(attempt)).accountError(t, http.StatusUnauthorized, "google_state")
		})
	}
	// The attempt in the body takes precedence over the cookie.
	planted := &http.Cookie{Name: "t2i_google", Value: o.Attempt}
	g.auth(t, "google-oauth", body(other.Attempt), cookie(planted)).accountError(t, http.StatusUnauthorized, "google_state")
	var m googleSession
	g.auth(t, "google-oauth", body(o.Attempt)).expect(t, http.StatusOK).decode(t, &m)
	if m.Token == "" || m.User.Email != "ada@example.com" {
		t.Errorf("signed in %+v", m)
	}
	g.auth(t, "google-oauth", body(o.Attempt)).accountError(t, http.StatusUnauthorized, "google_state")
	// Members of such a page send a bearer token and link their account with it.
	ann := g.signUp(t, annEmail)
	o = g.startAttempt(t, bearer(ann.Token), header("Sec-Fetch-Site", "cross-site"))
	code = authorize(t, o.URL, "private@example.com")
	g.auth(t, "google-oauth", body(o.Attempt)).accountError(t, http.StatusUnauthorized, "google_state")
	o = g.startAttempt(t, bearer(ann.Token), header("Sec-Fetch-Site", "cross-site"))
	code = authorize(t, o.URL, "private@example.com")
	g.auth(t, "google-oauth", body(o.Attempt), bearer(ann.Token)).expect(t, http.StatusOK).decode(t, &m)
	if m.User.ID != ann.User.ID || !m.User.HasGoogle {
		t.Errorf("linked %+v", m)
	}
}

// TestPlantedGoogleAttempt sends the cookie of an attacker's attempt before that of the browser.
func TestPlantedGoogleAttempt(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	b, eve := g.browser(t), g.browser(t)
	eve.startSignIn(t, "")
	code := b.authorizeAs(t, "ada@example.com")
	g.auth(t, "google-oauth", code.body(), cookie(eve.jarCookie(t, "t2i_google")), cookie(b.jarCookie(t, "t2i_google"))).expect(t, http.StatusOK)
}

// TestUnavailableGoogleCostsNoAttempts tries more often than the limit while Google is unavailable.
func TestUnavailableGoogleCostsNoAttempts(t *testing.T) {
	t.Parallel()
	g := withGoogle(t).browser(t)
	simulatortest.Script(t, g.sim, simulator.Rule{ID: "down", Kind: simulator.KindToken, Fault: "html_502"})
	for range 32 {
		g.auth(t, "google-oauth", g.authorizeAs(t, "ada@example.com").body()).accountError(t, http.StatusServiceUnavailable, "google_unavailable")
	}
}

// TestGoogleRedirectsToTheRightPage checks the redirect while Google is unavailable.
func TestGoogleRedirectsToTheRightPage(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	second := g.secondProcess(t, func(_ *server.Config, deps *server.Deps) {
		elsewhere := *deps.Google
		elsewhere.Redirect = func(string) string { return "https://page.example.org/back" }
		deps.Google = &elsewhere
	})
	simulatortest.Script(t, g.sim, simulator.Rule{Kind: simulator.KindDiscovery, Fault: "server_error"})
	resp := second.get(t, authRoute+"google", header("Accept", "text/html,*/*")).expect(t, http.StatusFound)
	if to := resp.Header.Get("Location"); to != "https://page.example.org/back?error=google_unavailable&state=" {
		t.Errorf("redirected to %s", to)
	}
}

// TestGoogleLinkNotifiesOwner links an account and changes its password.
func TestGoogleLinkNotifiesOwner(t *testing.T) {
	t.Parallel()
	notices := make(chan string, 10)
	g := withGoogle(t, func(_ *server.Config, deps *server.Deps) {
		notify := func(_ context.Context, to string, about account.Notice, lang job.Lang) error {
			notices <- to + " " + string(about) + " " + string(lang)
			return nil
		}
		startMailer(t, deps, account.NewMailer(deps.Accounts, nil, nil, deps.Log, account.WithNotices(notify)))
	})
	g.browser(t).signIn(t, "new@example.com") // Creating an account sends no notice.
	ann := g.signUp(t, annEmail)
	for range 2 { // Linking again changes nothing.
		b := g.browser(t)
		code := b.authorizeAs(t, "private@example.com")
		b.auth(t, "google-oauth", code.body(), bearer(ann.Token), language("zh")).expect(t, http.StatusOK)
	}
	g.browser(t).signIn(t, "private@example.com")
	g.auth(t, "change-password", fields{"currentPassword": annPassword, "newPassword": "another password"}, bearer(ann.Token)).expect(t, http.StatusOK)
	if link, next := <-notices, <-notices; link != annEmail+" google zh" || next != annEmail+" password en" {
		t.Errorf("notices %s, %s", link, next)
	}
}
