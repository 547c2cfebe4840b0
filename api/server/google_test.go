package server_test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/google"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// googleFixture is a server that signs in with the simulator's Google.
type googleFixture struct {
	*bundle
	sim *simulator.Simulator
}

func withGoogle(t testing.TB, changes ...change) *googleFixture {
	t.Helper()
	g := &googleFixture{sim: simulatortest.Start(t)}
	g.bundle = setup(t, append(changes, simulatedGoogle(g.sim))...)
	return g
}

func simulatedGoogle(sim *simulator.Simulator) change {
	return func(_ *server.Config, deps *server.Deps) {
		client := google.New(google.Config{ClientID: simulator.GoogleClientID, ClientSecret: simulator.GoogleClientSecret, Issuer: sim.GoogleURL()})
		deps.Google = &server.Google{Client: client, Redirect: func(host string) string { return "http://" + host + server.GooglePath }}
	}
}

// browser returns a client that keeps cookies.
func (g *googleFixture) browser(t testing.TB) *googleFixture {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	b, own := *g.bundle, *g
	client := *b.client
	client.Jar = jar
	b.client, own.bundle = &client, &b
	return &own
}

// startSignIn starts a sign-in and returns the URL of Google to which it redirects.
func (g *googleFixture) startSignIn(t testing.TB, path string, options ...option) string {
	t.Helper()
	resp := g.get(t, authRoute+"google"+path, options...).expect(t, http.StatusFound)
	if resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the redirect may be stored: %v", resp.Header)
	}
	return resp.Header.Get("Location")
}

// authCode is the query that Google's redirect returns.
type authCode struct{ code, state string }

func (c authCode) body() fields { return fields{"code": c.code, "state": c.state} }

// authorize grants access as the Google user with this email address.
func authorize(t testing.TB, signInURL, email string, more ...string) authCode {
	t.Helper()
	back := simulatortest.Decide(t, signInURL, "allow", append([]string{"email", email}, more...)...)
	if back.Path != server.GooglePath {
		t.Errorf("redirected to %s", back)
	}
	return authCode{back.Query().Get("code"), back.Query().Get("state")}
}

// googleSession is the response to a sign-in with Google.
type googleSession struct {
	Success        bool
	Message, Token string
	Return         string
	User           struct {
		ID, Username, Email, AuthProvider, Avatar, CreatedAt, LastLoginAt string
		HasPassword, HasGoogle                                            bool
	}
}

// authorizeAs starts a sign-in and authorizes it as the Google user with this email address.
func (g *googleFixture) authorizeAs(t testing.TB, email string, more ...string) authCode {
	t.Helper()
	return authorize(t, g.startSignIn(t, ""), email, more...)
}

// signIn signs in with Google.
func (g *googleFixture) signIn(t testing.TB, email string, more ...string) googleSession {
	t.Helper()
	var m googleSession
	g.auth(t, "google-oauth", g.authorizeAs(t, email, more...).body()).expect(t, http.StatusOK).decode(t, &m)
	return m
}

// jarCookie returns a cookie that the browser would send to the account routes, or nil.
func (g *googleFixture) jarCookie(t testing.TB, name string) *http.Cookie {
	t.Helper()
	u, err := url.Parse(g.url + authRoute)
	must(t, err)
	for _, c := range g.client.Jar.Cookies(u) {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func TestGoogleFlow(t *testing.T) {
	t.Parallel()
	g := withGoogle(t).browser(t)
	start := g.get(t, authRoute+"google?return=%2F%3Ftab%3Daudio").expect(t, http.StatusFound)
	var flow *http.Cookie
	for _, c := range start.Cookies() {
		flow = c
	}
	if flow == nil || !flow.HttpOnly || flow.SameSite != http.SameSiteLaxMode || flow.Path != "/api/auth" || flow.MaxAge != 600 || len(start.Cookies()) != 1 {
		t.Fatalf("cookies %v", start.Cookies())
	}
	target, err := url.Parse(start.Header.Get("Location"))
	must(t, err)
	for _, secret := range []string{target.Query().Get("state"), target.Query().Get("nonce")} {
		if len(secret) < 26 || strings.Contains(flow.Value, secret) {
			t.Errorf("%q in %s", secret, flow.Value)
		}
	}
	code := authorize(t, target.String(), "ada@example.com")
	page := g.get(t, server.GooglePath+"?code="+url.QueryEscape(code.code)+"&state="+code.state).expect(t, http.StatusOK)
	if page.Header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(string(page.body), "<title>Page") {
		t.Errorf("the page: %v", page.Header)
	}
	resp := g.auth(t, "google-oauth", code.body()).expect(t, http.StatusOK)
	var m googleSession
	resp.decode(t, &m)
	u := m.User
	if !m.Success || m.Message == "" || m.Return != "/?tab=audio" || u.Email != "ada@example.com" || u.Username != "Ada Lovelace" || u.AuthProvider != "google" ||
		!strings.Contains(u.Avatar, "/google/a/") || u.HasPassword || !u.HasGoogle || !millisecondsPattern.MatchString(u.CreatedAt) || !millisecondsPattern.MatchString(u.LastLoginAt) {
		t.Errorf("signed in: %s", resp.body)
	}
	if in := g.jarCookie(t, "auth_token"); in == nil || in.Value != m.Token || g.jarCookie(t, "t2i_google") != nil {
		t.Errorf("cookies %v", resp.Cookies())
	}
	for _, hidden := range []string{"googleInfo", "passwordHash", "tokenVersion"} {
		if strings.Contains(string(resp.body), hidden) {
			t.Errorf("%s in %s", hidden, resp.body)
		}
	}
	g.validate(t, bearer(m.Token)).expect(t, http.StatusOK)
	if again := g.browser(t).signIn(t, "ada@example.com"); again.User.ID != u.ID {
		t.Errorf("second sign-in: %+v", again)
	}
	g.get(t, authRoute+"providers").expect(t, http.StatusOK)
}

// TestGoogleStates returns from Google with every kind of wrong state.
func TestGoogleStates(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	second := g.secondProcess(t)
	rejected := func(t *testing.T, r *reply) {
		t.Helper()
		r.accountError(t, http.StatusUnauthorized, "google_state")
		for _, c := range r.Cookies() {
			if c.Name == "auth_token" && c.Value != "" {
				t.Errorf("signed in: %v", c)
			}
		}
	}
	t.Run("replayed", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		code := b.authorizeAs(t, "ada@example.com")
		flowCookie := b.jarCookie(t, "t2i_google")
		b.auth(t, "google-oauth", code.body()).expect(t, http.StatusOK)
		rejected(t, b.auth(t, "google-oauth", code.body()))
		// A browser that kept the cookie, at this and at another process.
		rejected(t, g.auth(t, "google-oauth", code.body(), cookie(flowCookie)))
		rejected(t, second.auth(t, "google-oauth", code.body(), cookie(flowCookie)))
	})
	t.Run("another process", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		code := b.authorizeAs(t, "ada@example.com")
		second.auth(t, "google-oauth", code.body(), cookie(b.jarCookie(t, "t2i_google"))).expect(t, http.StatusOK)
		rejected(t, b.auth(t, "google-oauth", code.body()))
	})
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		code := b.authorizeAs(t, "ada@example.com")
		flowCookie := b.jarCookie(t, "t2i_google")
		got := countStatuses(8, func(int) *reply { return g.auth(t, "google-oauth", code.body(), cookie(flowCookie)) })
		if got[http.StatusOK] != 1 || got[http.StatusUnauthorized] != 7 {
			t.Errorf("statuses %v", got)
		}
	})
	t.Run("no cookie", func(t *testing.T) {
		t.Parallel()
		code := g.browser(t).authorizeAs(t, "ada@example.com")
		rejected(t, g.auth(t, "google-oauth", code.body()))
	})
	t.Run("wrong state", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		code := b.authorizeAs(t, "ada@example.com")
		for _, state := range []string{"", "x", code.state + "x", strings.ToLower(code.state)} {
			rejected(t, b.auth(t, "google-oauth", fields{"code": code.code, "state": state}))
		}
		rejected(t, b.auth(t, "google-oauth", fields{"code": code.code}))
		rejected(t, b.auth(t, "google-oauth", fields{"state": code.state}))
		rejected(t, b.auth(t, "google-oauth", fields{"state": 1, "code": []int{}}))
	})
	t.Run("another user's code", func(t *testing.T) {
		t.Parallel()
		victim, attacker := g.browser(t), g.browser(t)
		code := attacker.authorizeAs(t, "eve@example.com")
		own := victim.authorizeAs(t, "ada@example.com")
		rejected(t, victim.auth(t, "google-oauth", code.body()))
		// With the victim's own state Google rejects the code, which belongs to another challenge.
		f := victim.auth(t, "google-oauth", fields{"code": code.code, "state": own.state})
		f.accountError(t, http.StatusUnauthorized, "google_refused")
	})
	t.Run("forged cookies", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		code := b.authorizeAs(t, "ada@example.com")
		value := b.jarCookie(t, "t2i_google").Value
		other := "A"
		if value[10] == 'A' {
			other = "B"
		}
		for _, forged := range []string{"", "x", value[:len(value)-2], value[:10] + other + value[11:], server.SealFlow([]byte("another secret"), code.state, time.Now().Add(time.Hour))} {
			rejected(t, g.auth(t, "google-oauth", code.body(), cookie(&http.Cookie{Name: "t2i_google", Value: forged})))
		}
		rejected(t, g.auth(t, "google-oauth", code.body(), cookie(&http.Cookie{Name: "t2i_google", Value: server.SealFlow([]byte(secret), code.state, time.Now().Add(-time.Second))})))
	})
	t.Run("from another site", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		code := b.authorizeAs(t, "ada@example.com")
		b.auth(t, "google-oauth", code.body(), header("Sec-Fetch-Site", "cross-site")).accountError(t, http.StatusForbidden, "cross_origin")
	})
	t.Run("an old session", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		code := b.authorizeAs(t, "ada@example.com")
		gone := &http.Cookie{Name: "auth_token", Value: "gone"}
		flowCookie := b.jarCookie(t, "t2i_google")
		resp := g.auth(t, "google-oauth", code.body(), cookie(flowCookie), cookie(gone)).expect(t, http.StatusOK)
		if cookies := resp.Cookies(); cookies[len(cookies)-1].Name != "auth_token" || cookies[len(cookies)-1].Value == "" || resp.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("cookies %v", cookies)
		}
		code = b.authorizeAs(t, "ada@example.com")
		b.auth(t, "google-oauth", code.body(), bearer("gone")).accountError(t, http.StatusUnauthorized, "invalid_token")
	})
}

// idToken returns an id token as Google's script returns it to a page.
func (g *googleFixture) idToken(t testing.TB, email string, changes fields) string {
	t.Helper()
	claims := g.sim.Google().Claims(g.sim.Google().User(email), simulator.GoogleClientID)
	for name, value := range changes {
		claims[name] = value
	}
	token, err := g.sim.Google().Sign(claims, nil)
	must(t, err)
	return token
}

func TestGoogleLogin(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	login := func(token any, options ...option) *reply {
		t.Helper()
		return g.auth(t, "google-login", fields{"idToken": token}, options...)
	}
	token := g.idToken(t, "ada@example.com", nil)
	var m googleSession
	login(token).expect(t, http.StatusOK).decode(t, &m)
	if m.Token == "" || m.User.AuthProvider != "google" || m.User.Avatar == "" || m.Return != "" {
		t.Errorf("signed in %+v", m)
	}
	login(token).accountError(t, http.StatusUnauthorized, "google_state") // It can be used once.
	login(token+"=").accountError(t, http.StatusUnauthorized, "google_token")
	for _, bad := range []any{"", "x", nil, 7, g.idToken(t, "ada@example.com", fields{"aud": "x"}), g.idToken(t, "ada@example.com", fields{"exp": 1}), g.idToken(t, "ada@example.com", fields{"nonce": "n"})} {
		login(bad).accountError(t, http.StatusUnauthorized, "google_token")
	}
	g.auth(t, "google-login", "{").accountError(t, http.StatusBadRequest, "invalid_json")
	must(t, g.sim.Google().Rotate())
	login(g.idToken(t, "ada@example.com", fields{"jti": "2"})).expect(t, http.StatusOK)
	// A token with a nonce needs the sign-in attempt with that nonce; one without a nonce needs no attempt.
	b := g.browser(t)
	target, err := url.Parse(b.startSignIn(t, ""))
	must(t, err)
	flowCookie := b.jarCookie(t, "t2i_google")
	login(g.idToken(t, "ada@example.com", fields{"nonce": "another"}), cookie(flowCookie)).accountError(t, http.StatusUnauthorized, "google_token")
	login(g.idToken(t, "ada@example.com", fields{"jti": "3"}), cookie(flowCookie)).expect(t, http.StatusOK)
	login(g.idToken(t, "ada@example.com", fields{"nonce": target.Query().Get("nonce")}), cookie(flowCookie)).expect(t, http.StatusOK)
}
