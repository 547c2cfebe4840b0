package server_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/google"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// googled is a server whose Google is the simulator.
type googled struct {
	*bundle
	sim  *simulator.Simulator
	deps server.Deps
	cfg  server.Config
}

func withGoogle(t testing.TB, changes ...func(*server.Config, *server.Deps)) *googled {
	t.Helper()
	g := &googled{sim: simulatortest.Start(t)}
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
func (g *googled) browser(t testing.TB) *googled {
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
func (g *googled) begin(t testing.TB, path string, options ...option) string {
	t.Helper()
	resp := g.request(t, http.MethodGet, authRoute+"google"+path, nil, options...).expect(t, http.StatusFound)
	if resp.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the way to Google may be stored: %v", resp.Header)
	}
	return resp.Header.Get("Location")
}

// way is what somebody brings back from Google.
type way struct{ code, state string }

func (w way) body() fields { return fields{"code": w.code, "state": w.state} }

func allow(t testing.TB, address, email string, more ...string) way {
	t.Helper()
	back := simulatortest.Decide(t, address, "allow", append([]string{"email", email}, more...)...)
	if back.Path != server.GooglePath {
		t.Errorf("sent back to %s", back)
	}
	return way{back.Query().Get("code"), back.Query().Get("state")}
}

// member is who signed in with Google.
type member struct {
	Success        bool
	Message, Token string
	Return         string
	User           struct {
		ID, Username, Email, AuthProvider, Avatar, CreatedAt, LastLoginAt string
		HasPassword, HasGoogle                                            bool
	}
}

// in goes the whole way.
func (g *googled) in(t testing.TB, email string, more ...string) member {
	t.Helper()
	var m member
	g.auth(t, "google-oauth", allow(t, g.begin(t, ""), email, more...).body()).expect(t, http.StatusOK).into(t, &m)
	return m
}

// jarred returns a cookie that a browser holds for the routes of accounts, nil when it holds none.
func (g *googled) jarred(t testing.TB, name string) *http.Cookie {
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

func TestGoogleTheWholeWay(t *testing.T) {
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
	w := allow(t, address.String(), "ada@example.com")
	page := g.request(t, http.MethodGet, server.GooglePath+"?code="+url.QueryEscape(w.code)+"&state="+w.state, nil).expect(t, http.StatusOK)
	if page.Header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(string(page.body), "<title>Page") {
		t.Errorf("the page: %v", page.Header)
	}
	resp := g.auth(t, "google-oauth", w.body()).expect(t, http.StatusOK)
	var m member
	resp.into(t, &m)
	u := m.User
	if !m.Success || m.Message == "" || m.Return != "/?tab=audio" || u.Email != "ada@example.com" || u.Username != "Ada Lovelace" || u.AuthProvider != "google" ||
		!strings.Contains(u.Avatar, "/google/a/") || u.HasPassword || !u.HasGoogle || !milliseconds.MatchString(u.CreatedAt) || !milliseconds.MatchString(u.LastLoginAt) {
		t.Errorf("signed in: %s", resp.body)
	}
	if in := g.jarred(t, "auth_token"); in == nil || in.Value != m.Token || g.jarred(t, "t2i_google") != nil {
		t.Errorf("cookies %v", resp.Cookies())
	}
	for _, hidden := range []string{"googleInfo", "passwordHash", "tokenVersion"} {
		if strings.Contains(string(resp.body), hidden) {
			t.Errorf("%s in %s", hidden, resp.body)
		}
	}
	g.request(t, http.MethodGet, authRoute+"validate", nil, bearer(m.Token)).expect(t, http.StatusOK)
	if again := g.browser(t).in(t, "ada@example.com"); again.User.ID != u.ID {
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
		r.failed(t, http.StatusUnauthorized, "google_state")
		for _, c := range r.Cookies() {
			if c.Name == "auth_token" && c.Value != "" {
				t.Errorf("signed in: %v", c)
			}
		}
	}
	t.Run("replayed", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := allow(t, b.begin(t, ""), "ada@example.com")
		kept := b.jarred(t, "t2i_google")
		b.auth(t, "google-oauth", w.body()).expect(t, http.StatusOK)
		nobody(t, b.auth(t, "google-oauth", w.body()))
		// A browser that did not forget the cookie, here and at another process.
		nobody(t, g.auth(t, "google-oauth", w.body(), cookie(kept)))
		nobody(t, second.auth(t, "google-oauth", w.body(), cookie(kept)))
	})
	t.Run("another process", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := allow(t, b.begin(t, ""), "ada@example.com")
		second.auth(t, "google-oauth", w.body(), cookie(b.jarred(t, "t2i_google"))).expect(t, http.StatusOK)
		nobody(t, b.auth(t, "google-oauth", w.body()))
	})
	t.Run("at once", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := allow(t, b.begin(t, ""), "ada@example.com")
		kept, statuses := b.jarred(t, "t2i_google"), make(chan int, 8)
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
		w := allow(t, g.browser(t).begin(t, ""), "ada@example.com")
		nobody(t, g.auth(t, "google-oauth", w.body()))
	})
	t.Run("wrong state", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := allow(t, b.begin(t, ""), "ada@example.com")
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
		w := allow(t, attacker.begin(t, ""), "eve@example.com")
		mine := allow(t, victim.begin(t, ""), "ada@example.com")
		nobody(t, victim.auth(t, "google-oauth", w.body()))
		// With the victim's own state Google refuses the code: it was given for another challenge.
		f := victim.auth(t, "google-oauth", fields{"code": w.code, "state": mine.state})
		f.failed(t, http.StatusUnauthorized, "google_refused")
	})
	t.Run("forged cookies", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := allow(t, b.begin(t, ""), "ada@example.com")
		value := b.jarred(t, "t2i_google").Value
		for _, forged := range []string{"", "x", value[:len(value)-2], value[:10] + "A" + value[11:], server.SealFlow([]byte("another secret"), w.state, time.Now().Add(time.Hour))} {
			nobody(t, g.auth(t, "google-oauth", w.body(), cookie(&http.Cookie{Name: "t2i_google", Value: forged})))
		}
		nobody(t, g.auth(t, "google-oauth", w.body(), cookie(&http.Cookie{Name: "t2i_google", Value: server.SealFlow([]byte(secret), w.state, time.Now().Add(-time.Second))})))
	})
	t.Run("from another site", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := allow(t, b.begin(t, ""), "ada@example.com")
		b.auth(t, "google-oauth", w.body(), header("Sec-Fetch-Site", "cross-site")).failed(t, http.StatusForbidden, "cross_origin")
	})
	t.Run("an old session", func(t *testing.T) {
		t.Parallel()
		b := g.browser(t)
		w := allow(t, b.begin(t, ""), "ada@example.com")
		gone := &http.Cookie{Name: "auth_token", Value: "gone"}
		kept := b.jarred(t, "t2i_google")
		resp := g.auth(t, "google-oauth", w.body(), cookie(kept), cookie(gone)).expect(t, http.StatusOK)
		if cookies := resp.Cookies(); cookies[len(cookies)-1].Name != "auth_token" || cookies[len(cookies)-1].Value == "" || resp.Header.Get("WWW-Authenticate") != "" {
			t.Errorf("cookies %v", cookies)
		}
		w = allow(t, b.begin(t, ""), "ada@example.com")
		b.auth(t, "google-oauth", w.body(), bearer("gone")).failed(t, http.StatusUnauthorized, "invalid_token")
	})
}

func TestGoogleTakesNoAccountOverHere(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	ann := g.signUp(t, annEmail)
	takeover := func(more ...string) *reply {
		t.Helper()
		b := g.browser(t)
		return b.auth(t, "google-oauth", allow(t, b.begin(t, ""), annEmail, more...).body())
	}
	resp := takeover()
	if f := resp.failed(t, http.StatusUnauthorized, "link_required"); f.Cause != "link_required" || !strings.Contains(f.Error, "password") {
		t.Errorf("told %s", resp.body)
	}
	takeover("verified", "no").failed(t, http.StatusUnauthorized, "google_email_unverified")
	g.auth(t, "google-login", fields{"idToken": g.idToken(t, annEmail, nil)}).failed(t, http.StatusUnauthorized, "link_required")
	b := g.browser(t)
	b.auth(t, "google-oauth", allow(t, b.begin(t, ""), "new@example.com", "verified", "no").body()).failed(t, http.StatusUnauthorized, "google_email_unverified")
	if _, err := g.deps.Accounts.Login(t.Context(), "new@example.com", ""); err == nil {
		t.Error("an account was made")
	}
	// The owner signs in with the password, and then links the two.
	owner := g.browser(t)
	owner.auth(t, "login", fields{"email": annEmail, "password": annPassword}).expect(t, http.StatusOK)
	linked := owner.in(t, annEmail)
	if linked.User.ID != ann.User.ID || !linked.User.HasGoogle || !linked.User.HasPassword || linked.User.AuthProvider != "" {
		t.Errorf("linked %+v", linked)
	}
	if m := g.browser(t).in(t, annEmail); m.User.ID != ann.User.ID {
		t.Errorf("Google opens %+v", m)
	}
	g.login(t, annEmail, annPassword)
	disabled, err := g.deps.Accounts.SignInGoogle(t.Context(), account.GoogleIdentity{Subject: "1", Email: "off@example.com", Verified: true}, func() error { return nil })
	must(t, err)
	disabled.IsActive = false
	must(t, put(t, g.bundle, disabled))
	g.auth(t, "google-login", fields{"idToken": g.idToken(t, "off@example.com", fields{"sub": "1"})}).failed(t, http.StatusUnauthorized, "account_disabled")
}

func TestLinkAndUnlinkGoogle(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	ann, bob := g.signUp(t, annEmail), g.signUp(t, "bob@example.org")
	// By a token in a header, under another address than the account's.
	b := g.browser(t)
	var m member
	b.auth(t, "google-oauth", allow(t, b.begin(t, ""), "private@example.com").body(), bearer(ann.Token)).expect(t, http.StatusOK).into(t, &m)
	if m.User.ID != ann.User.ID || m.User.Email != annEmail || !m.User.HasGoogle {
		t.Errorf("linked %+v", m)
	}
	link := func(who *session, email string) *reply {
		t.Helper()
		b := g.browser(t)
		return b.auth(t, "google-oauth", allow(t, b.begin(t, ""), email).body(), bearer(who.Token))
	}
	link(bob, "private@example.com").failed(t, http.StatusConflict, "google_linked_elsewhere")
	link(ann, "third@example.com").failed(t, http.StatusConflict, "other_google_linked")
	link(ann, "private@example.com").expect(t, http.StatusOK)
	// Begun as a guest, and meanwhile somebody signed in with the browser's cookie.
	b = g.browser(t)
	w := allow(t, b.begin(t, ""), "fourth@example.com")
	b.auth(t, "login", fields{"email": "bob@example.org", "password": annPassword}).expect(t, http.StatusOK)
	b.auth(t, "google-oauth", w.body()).failed(t, http.StatusUnauthorized, "google_state")
	// Another site sends Bob's browser to Google.
	w = allow(t, b.begin(t, "", header("Sec-Fetch-Site", "cross-site")), "fourth@example.com")
	b.auth(t, "google-oauth", w.body()).failed(t, http.StatusUnauthorized, "google_state")
	// Begun as Bob, and meanwhile Bob has gone.
	w = allow(t, b.begin(t, "", header("Sec-Fetch-Site", "same-origin")), "fourth@example.com")
	b.auth(t, "logout", nil).expect(t, http.StatusOK)
	b.auth(t, "google-oauth", w.body()).failed(t, http.StatusUnauthorized, "google_state")
	// A token that is older than a sign-in, as one that was stolen would be.
	_, stale := g.staleToken(t, "bob@example.org")
	g.request(t, http.MethodGet, authRoute+"google", nil, bearer(stale)).failed(t, http.StatusForbidden, "sign_in_again")
	b = g.browser(t)
	b.auth(t, "google-oauth", allow(t, b.begin(t, ""), "fourth@example.com").body(), bearer(stale)).failed(t, http.StatusForbidden, "sign_in_again")

	b.auth(t, "google-unlink", nil).failed(t, http.StatusUnauthorized, "sign_in_required")
	g.auth(t, "google-unlink", nil, bearer(ann.Token)).expect(t, http.StatusOK).into(t, &m)
	if m.User.HasGoogle || !m.Success {
		t.Errorf("unlinked %+v", m)
	}
	link(bob, "private@example.com").expect(t, http.StatusOK)
	only := g.browser(t)
	only.in(t, "only@example.com")
	only.auth(t, "google-unlink", nil).failed(t, http.StatusConflict, "password_required")
}

// staleToken returns a token of somebody whose sign-in is not of the last minutes.
func (g *googled) staleToken(t testing.TB, email string) (*account.User, string) {
	t.Helper()
	u, err := g.deps.Accounts.Login(t.Context(), email, annPassword)
	must(t, err)
	token, err := g.deps.Accounts.Renew(u)
	must(t, err)
	return u, token
}

func TestDeleteAnAccountWithoutAPassword(t *testing.T) {
	t.Parallel()
	g := withGoogle(t).browser(t)
	m := g.in(t, "ada@example.com")
	u, _, err := g.deps.Accounts.Identify(t.Context(), m.Token)
	must(t, err)
	stale, err := g.deps.Accounts.Renew(u)
	must(t, err)
	bare := *g.bundle
	bare.client = &http.Client{Transport: g.client.Transport}
	bare.auth(t, "delete-account", fields{}, bearer(stale)).failed(t, http.StatusForbidden, "sign_in_again")
	bare.auth(t, "change-password", fields{"currentPassword": "", "newPassword": "another one"}, bearer(m.Token)).failed(t, http.StatusBadRequest, "invalid_request")
	bare.auth(t, "change-password", fields{"currentPassword": "x", "newPassword": "another one"}, bearer(m.Token)).failed(t, http.StatusBadRequest, "wrong_password")
	bare.auth(t, "delete-account", fields{}, bearer(m.Token)).expect(t, http.StatusOK)
	stream, err := g.broker.JetStream().Stream(t.Context(), "KV_USERS")
	must(t, err)
	if left := stream.CachedInfo().State.Msgs; left != 0 {
		t.Errorf("%d records are left", left)
	}
	bare.request(t, http.MethodGet, authRoute+"validate", nil, bearer(m.Token)).failed(t, http.StatusUnauthorized, "invalid_token")
	if again := g.browser(t).in(t, "ada@example.com"); again.User.ID == u.ID {
		t.Error("the deleted account is back")
	}
}

// idToken returns what Google's script gives a page.
func (g *googled) idToken(t testing.TB, email string, changes fields) string {
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
	var m member
	login(token).expect(t, http.StatusOK).into(t, &m)
	if m.Token == "" || m.User.AuthProvider != "google" || m.User.Avatar == "" || m.Return != "" {
		t.Errorf("signed in %+v", m)
	}
	login(token).failed(t, http.StatusUnauthorized, "google_state") // It is good once.
	login(token+"=").failed(t, http.StatusUnauthorized, "google_token")
	for _, bad := range []any{"", "x", nil, 7, g.idToken(t, "ada@example.com", fields{"aud": "x"}), g.idToken(t, "ada@example.com", fields{"exp": 1}), g.idToken(t, "ada@example.com", fields{"nonce": "n"})} {
		login(bad).failed(t, http.StatusUnauthorized, "google_token")
	}
	g.auth(t, "google-login", "{").failed(t, http.StatusBadRequest, "invalid_json")
	must(t, g.sim.Google().Rotate())
	login(g.idToken(t, "ada@example.com", fields{"jti": "2"})).expect(t, http.StatusOK)
	// Where an attempt was begun, its nonce counts.
	b := g.browser(t)
	address, err := url.Parse(b.begin(t, ""))
	must(t, err)
	kept := b.jarred(t, "t2i_google")
	login(g.idToken(t, "ada@example.com", fields{"jti": "3"}), cookie(kept)).failed(t, http.StatusUnauthorized, "google_token")
	login(g.idToken(t, "ada@example.com", fields{"nonce": address.Query().Get("nonce")}), cookie(kept)).expect(t, http.StatusOK)
}

func TestGoogleIsNotSetUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, r := range []*reply{
		b.request(t, http.MethodGet, authRoute+"google", nil), b.auth(t, "google-oauth", fields{"code": "c", "state": "s"}), b.auth(t, "google-login", fields{"idToken": "x"}),
	} {
		r.failed(t, http.StatusUnauthorized, "google_disabled")
		var f struct{ ConfigErrors []string }
		if r.into(t, &f); fmt.Sprint(f.ConfigErrors) != "[GOOGLE_CLIENT_ID GOOGLE_CLIENT_SECRET]" {
			t.Errorf("told %s", r.body)
		}
	}
	if got := b.request(t, http.MethodGet, authRoute+"providers", nil).expect(t, http.StatusOK); stable(got.body) != `{"providers":{"google":false},"success":true}`+"\n" {
		t.Errorf("providers %q", got.body)
	}
	page := b.request(t, http.MethodGet, authRoute+"google", nil, header("Accept", "text/html,*/*")).expect(t, http.StatusFound)
	if page.Header.Get("Location") != server.GooglePath+"?error=google_disabled" {
		t.Errorf("sent to %s", page.Header.Get("Location"))
	}
}

// TestFailuresAtGoogle looks at what the callers are told, in the shape of the original.
func TestFailuresAtGoogle(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule         simulator.Rule
		status       int
		code, google string
		theirs       int
		settings     string
	}{
		"used":         {simulator.Rule{Fault: "invalid_grant"}, 401, "google_refused", "invalid_grant", 400, ""},
		"another uri":  {simulator.Rule{Fault: "redirect_uri_mismatch"}, 401, "google_misconfigured", "redirect_uri_mismatch", 400, "GOOGLE_REDIRECT_URI"},
		"no client":    {simulator.Rule{Fault: "invalid_client"}, 401, "google_misconfigured", "invalid_client", 401, "GOOGLE_CLIENT_ID"},
		"wrong secret": {simulator.Rule{Fault: "wrong_client_secret"}, 401, "google_misconfigured", "invalid_client", 401, "GOOGLE_CLIENT_SECRET"},
		"out of order": {simulator.Rule{Fault: "server_error"}, 503, "google_unavailable", "internal_failure", 500, ""},
		"cut off":      {simulator.Rule{Fault: "reset"}, 503, "google_unavailable", "", 0, ""},
		"forged":       {simulator.Rule{Fault: "id_token_unknown_kid"}, 401, "google_token", "", 0, ""},
		"wrong nonce":  {simulator.Rule{Fault: "id_token_wrong_nonce"}, 401, "google_token", "", 0, ""},
		"alg none":     {simulator.Rule{Fault: "id_token_alg_none"}, 401, "google_token", "", 0, ""},
		"unverified":   {simulator.Rule{Fault: "id_token_unverified_text"}, 401, "google_email_unverified", "", 0, ""},
		"no address":   {simulator.Rule{Fault: "id_token_without_email"}, 401, "google_email_unverified", "", 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := withGoogle(t).browser(t)
			c.rule.Kind = simulator.KindToken
			simulatortest.Script(t, g.sim, c.rule)
			resp := g.auth(t, "google-oauth", allow(t, g.begin(t, ""), "ada@example.com").body())
			resp.failed(t, c.status, c.code)
			var f struct {
				Google       string   `json:"google_error"`
				Description  *string  `json:"google_error_description"`
				Status       int      `json:"status"`
				ConfigErrors []string `json:"configErrors"`
			}
			resp.into(t, &f)
			if f.Google != c.google || (f.Description != nil) != (c.google != "") || f.Status != c.theirs || strings.Join(f.ConfigErrors, " ") != c.settings {
				t.Errorf("told %s", resp.body)
			}
			if away := c.status == http.StatusServiceUnavailable; (resp.Header.Get("Retry-After") != "") != away {
				t.Errorf("Retry-After %q", resp.Header.Get("Retry-After"))
			}
			said := map[string]string{"google_misconfigured": c.settings, "google_refused": "refused the code", "google_token": `"reason":"`}[c.code]
			if !strings.Contains(g.log.String(), said) {
				t.Errorf("the log does not say %q: %s", said, g.log)
			}
			if g.jarred(t, "auth_token") != nil {
				t.Error("somebody is signed in")
			}
			g.sim.Clear()
			g.in(t, "ada@example.com") // It is only this attempt that failed.
		})
	}
	t.Run("away", func(t *testing.T) {
		t.Parallel()
		g := withGoogle(t)
		simulatortest.Script(t, g.sim, simulator.Rule{Kind: simulator.KindDiscovery, Fault: "server_error"})
		resp := g.request(t, http.MethodGet, authRoute+"google", nil)
		resp.failed(t, http.StatusServiceUnavailable, "google_unavailable")
		if resp.Header.Get("Retry-After") == "" || len(resp.Cookies()) != 0 {
			t.Errorf("%v", resp.Header)
		}
		page := g.request(t, http.MethodGet, authRoute+"google", nil, header("Accept", "text/html")).expect(t, http.StatusFound)
		if page.Header.Get("Location") != server.GooglePath+"?error=google_unavailable" {
			t.Errorf("sent to %s", page.Header.Get("Location"))
		}
	})
}

func TestGoogleAttemptsAreLimited(t *testing.T) {
	t.Parallel()
	g := withGoogle(t, func(cfg *server.Config, _ *server.Deps) { cfg.MaxSignups = 2 })
	for n := range 40 {
		g.auth(t, "google-login", fields{"idToken": g.idToken(t, fmt.Sprintf("a%d@example.com", n%2), fields{"jti": n})}).expect(t, http.StatusOK)
	}
	g.auth(t, "google-login", fields{"idToken": g.idToken(t, "third@example.com", nil)}).failed(t, http.StatusTooManyRequests, "too_many_attempts")
	for range 29 {
		g.auth(t, "google-oauth", fields{"code": "c", "state": "s"}).failed(t, http.StatusUnauthorized, "google_state")
	}
	resp := g.auth(t, "google-oauth", fields{"code": "c", "state": "s"})
	if f := resp.failed(t, http.StatusTooManyRequests, "too_many_attempts"); f.RetryAfter < 1 {
		t.Errorf("told %s", resp.body)
	}
}

// TestReturnPaths asks to be sent elsewhere afterwards.
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
		w := allow(t, b.begin(t, "?return="+url.QueryEscape(path)), "ada@example.com")
		var m member
		if b.auth(t, "google-oauth", w.body()).expect(t, http.StatusOK).into(t, &m); m.Return != want {
			t.Errorf("%q leads to %q, want %q", path, m.Return, want)
		}
	}
}

// TestNoWordOfGoogleInTheLog plants canaries in all that comes from Google, and looks for them at the lowest level.
func TestNoWordOfGoogleInTheLog(t *testing.T) {
	t.Parallel()
	g := withGoogle(t).browser(t)
	address := g.begin(t, "?return=/canary")
	kept := g.jarred(t, "t2i_google").Value
	w := allow(t, address, "canary@example.com", "name", "Canary Bird", "sub", "31415926535")
	g.request(t, http.MethodGet, server.GooglePath+"?code="+url.QueryEscape(w.code)+"&state="+w.state, nil)
	var m member
	g.auth(t, "google-oauth", w.body()).expect(t, http.StatusOK).into(t, &m)
	g.auth(t, "google-oauth", w.body())
	token := g.idToken(t, "canary@example.com", fields{"nonce": "canary"})
	g.auth(t, "google-login", fields{"idToken": token})
	for _, fault := range []string{"invalid_grant", "invalid_client", "server_error", "id_token_wrong_nonce", "id_token_hs256", "reset"} {
		g.sim.Clear()
		simulatortest.Script(t, g.sim, simulator.Rule{Kind: simulator.KindToken, Fault: fault})
		b := g.browser(t)
		b.auth(t, "google-oauth", allow(t, b.begin(t, ""), "canary@example.com").body())
	}
	log := strings.ToLower(g.log.String())
	for _, private := range []string{"canary", "31415926535", "4/0a", w.state, kept[:40], m.Token, m.User.ID, token[:60], "eyj", "simulated-secret"} {
		if strings.Contains(log, strings.ToLower(private)) {
			t.Errorf("%q is in the log: %s", private, log)
		}
	}
}

// put stores an account as it is.
func put(t testing.TB, b *bundle, u *account.User) error {
	t.Helper()
	data, err := json.Marshal(u)
	must(t, err)
	_, err = b.broker.JetStream().Publish(t.Context(), fmt.Sprintf("$KV.USERS.%x", sha256.Sum256([]byte(u.Email))), data)
	return err
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
		path := server.OwnPath(raw)
		u, err := base.Parse(path)
		if err != nil || u.Host != base.Host || u.Scheme != base.Scheme || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n\t") {
			t.Errorf("%q leads to %q", raw, path)
		}
	})
}
