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

// googled is a server whose Google is the simulator.
type googleFixture struct {
	*bundle
	sim  *simulator.Simulator
	deps server.Deps
	cfg  server.Config
}

func withGoogle(t testing.TB, changes ...func(*server.Config, *server.Deps)) *googleFixture {
	t.Helper()
	g := &googleFixture{sim: simulatortest.Start(t)}
	changes = append(changes, simulatedGoogle(g.sim), func(cfg *server.Config, deps *server.Deps) { g.deps, g.cfg = *deps, *cfg })
	g.bundle = setup(t, changes...)
	return g
}

func simulatedGoogle(sim *simulator.Simulator) func(*server.Config, *server.Deps) {
	return func(_ *server.Config, deps *server.Deps) {
		client := google.New(google.Config{ClientID: simulator.GoogleClientID, ClientSecret: simulator.GoogleClientSecret, Issuer: sim.GoogleURL()})
		deps.Google = &server.Google{Client: client, Redirect: func(host string) string { return "http://" + host + server.GooglePath }}
	}
}

// browser is somebody's browser: it keeps cookies.
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

// begin goes to Google and returns the address there.
func (g *googleFixture) startSignIn(t testing.TB, path string, options ...option) string {
	t.Helper()
	resp := g.request(t, http.MethodGet, authRoute+"google"+path, nil, options...).expect(t, http.StatusFound)
	if resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the way to Google may be stored: %v", resp.Header)
	}
	return resp.Header.Get("Location")
}

// way is what somebody brings back from Google.
type authCode struct{ code, state string }

func (w authCode) body() fields { return fields{"code": w.code, "state": w.state} }

func authorize(t testing.TB, address, email string, more ...string) authCode {
	t.Helper()
	back := simulatortest.Decide(t, address, "allow", append([]string{"email", email}, more...)...)
	if back.Path != server.GooglePath {
		t.Errorf("sent back to %s", back)
	}
	return authCode{back.Query().Get("code"), back.Query().Get("state")}
}

// member is who signed in with Google.
type googleSession struct {
	Success        bool
	Message, Token string
	Return         string
	User           struct {
		ID, Username, Email, AuthProvider, Avatar, CreatedAt, LastLoginAt string
		HasPassword, HasGoogle                                            bool
	}
}

// in goes the whole way.
func (g *googleFixture) signIn(t testing.TB, email string, more ...string) googleSession {
	t.Helper()
	var m googleSession
	g.auth(t, "google-oauth", authorize(t, g.startSignIn(t, ""), email, more...).body()).expect(t, http.StatusOK).decode(t, &m)
	return m
}

// jarred returns a cookie that a browser holds for the routes of accounts, nil when it holds none.
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
	start := g.request(t, http.MethodGet, authRoute+"google?return=%2F%3Ftab%3Daudio", nil).expect(t, http.StatusFound)
	var flow *http.Cookie
	for _, c := range start.Cookies() {
		flow = c
	}
	if flow == nil || !flow.HttpOnly || flow.SameSite != http.SameSiteLaxMode || flow.Path != "/api/auth" || flow.MaxAge != 600 || len(start.Cookies()) != 1 {
		t.Fatalf("cookies %v", start.Cookies())
	}
	address, err := url.Parse(start.Header.Get("Location"))
	must(t, err)
	for _, secret := range []string{address.Query().Get("state"), address.Query().Get("nonce")} {
		if len(secret) < 26 || strings.Contains(flow.Value, secret) {
			t.Errorf("%q in %s", secret, flow.Value)
		}
	}
	w := authorize(t, address.String(), "ada@example.com")
	page := g.request(t, http.MethodGet, server.GooglePath+"?code="+url.QueryEscape(w.code)+"&state="+w.state, nil).expect(t, http.StatusOK)
	if page.Header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(string(page.body), "<title>Page") {
		t.Errorf("the page: %v", page.Header)
	}
	resp := g.auth(t, "google-oauth", w.body()).expect(t, http.StatusOK)
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
	g.request(t, http.MethodGet, authRoute+"validate", nil, bearer(m.Token)).expect(t, http.StatusOK)
	if again := g.browser(t).signIn(t, "ada@example.com"); again.User.ID != u.ID {
		t.Errorf("the second time %+v", again)
	}
	g.request(t, http.MethodGet, authRoute+"providers", nil).expect(t, http.StatusOK)
}

// TestGoogleStates tries every way to come back that is not the one.
func TestGoogleStates(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	other, err := server.New(g.cfg, g.deps)
	must(t, err)
	second := *g.bundle
	second.server = other
	second.serve(t)
	nobody := func(t *testing.T, r *reply) {
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
		w := authorize(t, b.startSignIn(t, ""), "ada@example.com")
		kept := b.jarCookie(t, "t2i_google")
		b.auth(t, "google-oauth", w.body()).expect(t, http.StatusOK)
		nobody(t, b.auth(t, "google-oauth", w.body()))
		// A browser that did not forget the cookie, here and at another process.
		nobody(t, g.auth(t, "google-oauth", w.body(), cookie(kept)))
		nobody(t, second.auth(t, "google-oauth", w.body(), cookie(kept)))
	})
	t.Run("another process", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := authorize(t, b.startSignIn(t, ""), "ada@example.com")
		second.auth(t, "google-oauth", w.body(), cookie(b.jarCookie(t, "t2i_google"))).expect(t, http.StatusOK)
		nobody(t, b.auth(t, "google-oauth", w.body()))
	})
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := authorize(t, b.startSignIn(t, ""), "ada@example.com")
		kept, statuses := b.jarCookie(t, "t2i_google"), make(chan int, 8)
		for range cap(statuses) {
			go func() { statuses <- g.auth(t, "google-oauth", w.body(), cookie(kept)).StatusCode }()
		}
		got := map[int]int{}
		for range cap(statuses) {
			got[<-statuses]++
		}
		if got[http.StatusOK] != 1 || got[http.StatusUnauthorized] != 7 {
			t.Errorf("statuses %v", got)
		}
	})
	t.Run("no cookie", func(t *testing.T) {
		t.Parallel()
		w := authorize(t, g.browser(t).startSignIn(t, ""), "ada@example.com")
		nobody(t, g.auth(t, "google-oauth", w.body()))
	})
	t.Run("wrong state", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := authorize(t, b.startSignIn(t, ""), "ada@example.com")
		for _, state := range []string{"", "x", w.state + "x", strings.ToLower(w.state)} {
			nobody(t, b.auth(t, "google-oauth", fields{"code": w.code, "state": state}))
		}
		nobody(t, b.auth(t, "google-oauth", fields{"code": w.code}))
		nobody(t, b.auth(t, "google-oauth", fields{"state": w.state}))
		nobody(t, b.auth(t, "google-oauth", fields{"state": 1, "code": []int{}}))
	})
	t.Run("a stranger's code", func(t *testing.T) {
		t.Parallel()
		victim, attacker := g.browser(t), g.browser(t)
		w := authorize(t, attacker.startSignIn(t, ""), "eve@example.com")
		mine := authorize(t, victim.startSignIn(t, ""), "ada@example.com")
		nobody(t, victim.auth(t, "google-oauth", w.body()))
		// With the victim's own state Google refuses the code: it was given for another challenge.
		f := victim.auth(t, "google-oauth", fields{"code": w.code, "state": mine.state})
		f.accountError(t, http.StatusUnauthorized, "google_refused")
	})
	t.Run("forged cookies", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := authorize(t, b.startSignIn(t, ""), "ada@example.com")
		value := b.jarCookie(t, "t2i_google").Value
		other := "A"
		if value[10] == 'A' {
			other = "B"
		}
		for _, forged := range []string{"", "x", value[:len(value)-2], value[:10] + other + value[11:], server.SealFlow([]byte("another secret"), w.state, time.Now().Add(time.Hour))} {
			nobody(t, g.auth(t, "google-oauth", w.body(), cookie(&http.Cookie{Name: "t2i_google", Value: forged})))
		}
		nobody(t, g.auth(t, "google-oauth", w.body(), cookie(&http.Cookie{Name: "t2i_google", Value: server.SealFlow([]byte(secret), w.state, time.Now().Add(-time.Second))})))
	})
	t.Run("from another site", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := authorize(t, b.startSignIn(t, ""), "ada@example.com")
		b.auth(t, "google-oauth", w.body(), header("Sec-Fetch-Site", "cross-site")).accountError(t, http.StatusForbidden, "cross_origin")
	})
	t.Run("an old session", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := authorize(t, b.startSignIn(t, ""), "ada@example.com")
		gone := &http.Cookie{Name: "auth_token", Value: "gone"}
		kept := b.jarCookie(t, "t2i_google")
		resp := g.auth(t, "google-oauth", w.body(), cookie(kept), cookie(gone)).expect(t, http.StatusOK)
		if cookies := resp.Cookies(); cookies[len(cookies)-1].Name != "auth_token" || cookies[len(cookies)-1].Value == "" || resp.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("cookies %v", cookies)
		}
		w = authorize(t, b.startSignIn(t, ""), "ada@example.com")
		b.auth(t, "google-oauth", w.body(), bearer("gone")).accountError(t, http.StatusUnauthorized, "invalid_token")
	})
}

// idToken returns what Google's script gives a page.
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
	login(token).accountError(t, http.StatusUnauthorized, "google_state") // It is good once.
	login(token+"=").accountError(t, http.StatusUnauthorized, "google_token")
	for _, bad := range []any{"", "x", nil, 7, g.idToken(t, "ada@example.com", fields{"aud": "x"}), g.idToken(t, "ada@example.com", fields{"exp": 1}), g.idToken(t, "ada@example.com", fields{"nonce": "n"})} {
		login(bad).accountError(t, http.StatusUnauthorized, "google_token")
	}
	g.auth(t, "google-login", "{").accountError(t, http.StatusBadRequest, "invalid_json")
	must(t, g.sim.Google().Rotate())
	login(g.idToken(t, "ada@example.com", fields{"jti": "2"})).expect(t, http.StatusOK)
	// Of a token that has a nonce, the attempt that was begun decides; another one is as good as without the attempt.
	b := g.browser(t)
	address, err := url.Parse(b.startSignIn(t, ""))
	must(t, err)
	kept := b.jarCookie(t, "t2i_google")
	login(g.idToken(t, "ada@example.com", fields{"nonce": "another"}), cookie(kept)).accountError(t, http.StatusUnauthorized, "google_token")
	login(g.idToken(t, "ada@example.com", fields{"jti": "3"}), cookie(kept)).expect(t, http.StatusOK)
	login(g.idToken(t, "ada@example.com", fields{"nonce": address.Query().Get("nonce")}), cookie(kept)).expect(t, http.StatusOK)
}
