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

// onward is what a page at another site goes to Google with.
type attempt struct{ URL, Attempt string }

func (g *googleFixture) startAttempt(t testing.TB, options ...option) attempt {
	t.Helper()
	var o attempt
	resp := g.request(t, http.MethodGet, authRoute+"google", nil, append(options, header("Accept", "application/json"))...).expect(t, http.StatusOK)
	resp.decode(t, &o)
	if len(resp.Cookies()) != 0 || o.URL == "" || o.Attempt == "" || resp.Header.Get("Cache-Control") != "no-store" || !strings.Contains(resp.Header.Get("Vary"), "Accept") {
		t.Errorf("told %s with %v", resp.body, resp.Header)
	}
	return o
}

// TestGoogleFromAnotherSite signs in on a page to which no browser sends the cookie back.
func TestGoogleFromAnotherSite(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	o, other := g.startAttempt(t), g.startAttempt(t)
	w := authorize(t, o.URL, "ada@example.com")
	body := func(attempt any) fields { return fields{"code": w.code, "state": w.state, "attempt": attempt} }
	letter := "A"
	if o.Attempt[10] == 'A' {
		letter = "B"
	}
	for name, attempt := range map[string]any{"none": "", "another": other.Attempt, "forged": o.Attempt[:10] + letter + o.Attempt[11:], "no text": 7} {
		t.Run(name, func(t *testing.T) {
			g.auth(t, "google-oauth", body(attempt)).accountError(t, http.StatusUnauthorized, "google_state")
		})
	}
	// What is given counts, whatever the cookie says.
	planted := &http.Cookie{Name: "t2i_google", Value: o.Attempt}
	g.auth(t, "google-oauth", body(other.Attempt), cookie(planted)).accountError(t, http.StatusUnauthorized, "google_state")
	var m googleSession
	g.auth(t, "google-oauth", body(o.Attempt)).expect(t, http.StatusOK).decode(t, &m)
	if m.Token == "" || m.User.Email != "ada@example.com" {
		t.Errorf("signed in %+v", m)
	}
	g.auth(t, "google-oauth", body(o.Attempt)).accountError(t, http.StatusUnauthorized, "google_state")
	// Its members send their token in a header, and link with it.
	ann := g.signUp(t, annEmail)
	o = g.startAttempt(t, bearer(ann.Token), header("Sec-Fetch-Site", "cross-site"))
	w = authorize(t, o.URL, "private@example.com")
	g.auth(t, "google-oauth", body(o.Attempt)).accountError(t, http.StatusUnauthorized, "google_state")
	o = g.startAttempt(t, bearer(ann.Token), header("Sec-Fetch-Site", "cross-site"))
	w = authorize(t, o.URL, "private@example.com")
	g.auth(t, "google-oauth", body(o.Attempt), bearer(ann.Token)).expect(t, http.StatusOK).decode(t, &m)
	if m.User.ID != ann.User.ID || !m.User.HasGoogle {
		t.Errorf("linked %+v", m)
	}
}

// TestPlantedGoogleAttempt has a neighboring site put an attempt of its own before that of the browser.
func TestPlantedGoogleAttempt(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	b, eve := g.browser(t), g.browser(t)
	eve.startSignIn(t, "")
	w := authorize(t, b.startSignIn(t, ""), "ada@example.com")
	g.auth(t, "google-oauth", w.body(), cookie(eve.jarCookie(t, "t2i_google")), cookie(b.jarCookie(t, "t2i_google"))).expect(t, http.StatusOK)
}

// TestUnavailableGoogleCostsNoAttempts tries more often than strangers may, while nobody can sign in.
func TestUnavailableGoogleCostsNoAttempts(t *testing.T) {
	t.Parallel()
	g := withGoogle(t).browser(t)
	simulatortest.Script(t, g.sim, simulator.Rule{ID: "down", Kind: simulator.KindToken, Fault: "html_502"})
	for range 32 {
		g.auth(t, "google-oauth", authorize(t, g.startSignIn(t, ""), "ada@example.com").body()).accountError(t, http.StatusServiceUnavailable, "google_unavailable")
	}
}

// TestGoogleRedirectsToTheRightPage looks at where somebody ends up for whom there is no way to Google.
func TestGoogleRedirectsToTheRightPage(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	deps, elsewhere := g.deps, *g.deps.Google
	elsewhere.Redirect = func(string) string { return "https://page.example.org/back" }
	deps.Google = &elsewhere
	own, err := server.New(g.cfg, deps)
	must(t, err)
	second := *g.bundle
	second.server = own
	second.serve(t)
	simulatortest.Script(t, g.sim, simulator.Rule{Kind: simulator.KindDiscovery, Fault: "server_error"})
	resp := second.request(t, http.MethodGet, authRoute+"google", nil, header("Accept", "text/html,*/*")).expect(t, http.StatusFound)
	if to := resp.Header.Get("Location"); to != "https://page.example.org/back?error=google_unavailable&state=" {
		t.Errorf("sent to %s", to)
	}
}

// TestGoogleLinkNotifiesOwner links an account, and signs in with it.
func TestGoogleLinkNotifiesOwner(t *testing.T) {
	t.Parallel()
	told := make(chan string, 10)
	g := withGoogle(t, func(_ *server.Config, deps *server.Deps) {
		notify := func(_ context.Context, to string, about account.Notice, lang job.Lang) error {
			told <- to + " " + string(about) + " " + string(lang)
			return nil
		}
		deps.Recovery = account.NewMailer(deps.Accounts, nil, nil, deps.Log, account.WithNotices(notify))
		deps.Recovery.Start()
		t.Cleanup(func() { must(t, deps.Recovery.Stop(context.Background())) })
	})
	g.browser(t).signIn(t, "new@example.com") // An account that is made tells nobody.
	ann := g.signUp(t, annEmail)
	for range 2 { // Again changes nothing.
		b := g.browser(t)
		w := authorize(t, b.startSignIn(t, ""), "private@example.com")
		b.auth(t, "google-oauth", w.body(), bearer(ann.Token), header("Accept-Language", "zh")).expect(t, http.StatusOK)
	}
	g.browser(t).signIn(t, "private@example.com")
	g.auth(t, "change-password", fields{"currentPassword": annPassword, "newPassword": "another password"}, bearer(ann.Token)).expect(t, http.StatusOK)
	if link, next := <-told, <-told; link != annEmail+" google zh" || next != annEmail+" password en" {
		t.Errorf("told %s, %s", link, next)
	}
}
