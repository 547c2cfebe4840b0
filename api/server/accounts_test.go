package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

const authRoute = "/api/auth/"

// refused is an error of the account's routes.
type accountErrorBody struct {
	Success    *bool
	Error      string
	Code       string
	Cause      string
	RetryAfter int `json:"retry_after"`
	Errors     []struct{ Pointer, Code string }
}

// failed checks that an answer is an error in the shape of the account's routes.
func (r *reply) accountError(t testing.TB, status int, code string) accountErrorBody {
	t.Helper()
	r.expect(t, status)
	var f accountErrorBody
	r.decode(t, &f)
	if f.Success == nil || *f.Success || f.Error == "" || f.Code != code || r.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("want %s, got %s, %v", code, r.body, r.Header)
	}
	return f
}

func (b *bundle) auth(t testing.TB, route string, body any, options ...option) *reply {
	t.Helper()
	return b.request(t, http.MethodPost, authRoute+route, body, options...)
}

func TestRegisterAndLogin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, "  Ann.Canary@Example.org ")
	if ann.User.Email != annEmail || !millisecondsPattern.MatchString(ann.User.CreatedAt) || ann.User.LastLoginAt != "" {
		t.Errorf("made %+v", ann.User)
	}
	if c := ann.cookie; !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge != 7*24*3600 || c.Secure {
		t.Errorf("cookie %s", c.Raw)
	}
	b.auth(t, "register", fields{"username": "Eve", "email": annEmail, "password": "another one"}).accountError(t, http.StatusBadRequest, "email_taken")
	for name, body := range map[string]fields{
		"/username required":            {"email": "a@b.c", "password": "abc12 xyz"},
		"/email required":               {"username": "a", "password": "abc12 xyz"},
		"/email invalid_email":          {"username": "a", "email": "nobody", "password": "abc12 xyz"},
		"/password too_short":           {"username": "a", "email": "a@b.c", "password": "ab12 yz"},
		"/password password_too_common": {"username": "a", "email": "a@b.c", "password": "Password1"},
		"/password wrong_type":          {"username": "a", "email": "a@b.c", "password": []int{1}},
		"/username control_character":   {"username": "a\u0000", "email": "a@b.c", "password": "abc12 xyz"},
	} {
		f := b.auth(t, "register", body).accountError(t, http.StatusBadRequest, "invalid_request")
		if len(f.Errors) != 1 || f.Errors[0].Pointer+" "+f.Errors[0].Code != name {
			t.Errorf("%s: %+v", name, f)
		}
	}
	var in session
	resp := b.auth(t, "login", fields{"email": strings.ToUpper(annEmail), "password": annPassword}).expect(t, http.StatusOK)
	resp.decode(t, &in)
	if in.User.ID != ann.User.ID || !millisecondsPattern.MatchString(in.User.LastLoginAt) || in.Token == "" || len(resp.Cookies()) != 1 {
		t.Errorf("signed in: %s", resp.body)
	}
	for _, hidden := range []string{"passwordHash", "salt", "pbkdf2", "tokenVersion", "isActive"} {
		if strings.Contains(string(resp.body), hidden) {
			t.Errorf("%s in %s", hidden, resp.body)
		}
	}
	for _, body := range []any{
		fields{"email": annEmail, "password": "wrong"}, fields{"email": "nobody@example.org", "password": annPassword}, fields{"email": annEmail}, fields{}, fields{"email": 1, "password": []string{}},
	} {
		b.auth(t, "login", body).accountError(t, http.StatusUnauthorized, "wrong_credentials")
	}
	b.auth(t, "login", "not JSON").accountError(t, http.StatusBadRequest, "invalid_json")
}

// TestResponsesDoNotRevealAccounts compares whole answers.
func TestResponsesDoNotRevealAccounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signUp(t, annEmail)
	for route, bodies := range map[string][2]fields{
		"login":           {{"email": annEmail, "password": "wrong"}, {"email": "nobody@example.org", "password": "wrong"}},
		"forgot-password": {{"email": annEmail}, {"email": "nobody@example.org"}},
		"reset-password":  {{"token": strings.Repeat("A", 86), "newPassword": "abc12 xyz"}, {"token": "x", "newPassword": "abc12 xyz"}},
	} {
		one, two := b.auth(t, route, bodies[0]), b.auth(t, route, bodies[1])
		for _, r := range []*reply{one, two} {
			r.Header.Del("X-Request-Id")
			r.Header.Del("Date")
			r.Header.Del("Content-Length")
		}
		if one.StatusCode != two.StatusCode || maskRequestIDs(one.body) != maskRequestIDs(two.body) {
			t.Errorf("%s: %d %s and %d %s", route, one.StatusCode, one.body, two.StatusCode, two.body)
		}
		for name := range one.Header {
			if one.Header.Get(name) != two.Header.Get(name) {
				t.Errorf("%s: %s is %q and %q", route, name, one.Header.Get(name), two.Header.Get(name))
			}
		}
	}
}

func TestValidateAndLogout(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, annEmail)
	valid := func(o ...option) *reply {
		t.Helper()
		return b.request(t, http.MethodGet, authRoute+"validate", nil, o...)
	}
	if f := valid().accountError(t, http.StatusUnauthorized, "sign_in_required"); f.Cause != "no_authorization_token" {
		t.Errorf("cause %s", f.Cause)
	}
	for _, nothing := range []string{"Bearer ", "Bearer null", "Bearer undefined", "Basic abc", ann.Token} {
		valid(header("Authorization", nothing)).accountError(t, http.StatusUnauthorized, "sign_in_required")
	}
	for name, o := range map[string]option{"bearer": bearer(ann.Token), "small": header("Authorization", "bearer "+ann.Token), "cookie": cookie(ann.cookie)} {
		var got session
		valid(o).expect(t, http.StatusOK).decode(t, &got)
		if got.User.ID != ann.User.ID || got.User.Email != annEmail || got.Token != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// Whoever has never signed in has no such time, and clients of the original read the field all the same.
	if got := valid(bearer(ann.Token)); !strings.Contains(string(got.body), `"lastLoginAt":null`) {
		t.Errorf("never signed in: %s", got.body)
	}
	bad := valid(cookie(&http.Cookie{Name: "auth_token", Value: "x"}))
	if f := bad.accountError(t, http.StatusUnauthorized, "invalid_token"); f.Cause != "jwt_invalid_or_expired" || len(bad.Cookies()) != 1 || bad.Cookies()[0].MaxAge != -1 {
		t.Errorf("a bad cookie: %+v, %v", f, bad.Cookies())
	}
	if f := valid(bearer("x")); len(f.Cookies()) != 0 {
		t.Errorf("a bad token in a header ends the cookie: %v", f.Cookies())
	}
	other := b.login(t, annEmail, annPassword)
	out := b.auth(t, "logout", nil, cookie(ann.cookie)).expect(t, http.StatusOK)
	if len(out.Cookies()) != 1 || out.Cookies()[0].MaxAge != -1 {
		t.Errorf("logout sets %v", out.Cookies())
	}
	valid(bearer(ann.Token)).accountError(t, http.StatusUnauthorized, "invalid_token")
	valid(bearer(other)).expect(t, http.StatusOK)
	b.auth(t, "logout", nil, bearer(ann.Token)).expect(t, http.StatusOK)
	b.auth(t, "logout", nil).expect(t, http.StatusOK)
	third := b.login(t, annEmail, annPassword)
	b.auth(t, "logout", fields{"everywhere": true}, bearer(other)).expect(t, http.StatusOK)
	valid(bearer(third)).accountError(t, http.StatusUnauthorized, "invalid_token")
}

// login signs in and returns the token.
func (b *bundle) login(t testing.TB, email, password string) string {
	t.Helper()
	var s session
	b.auth(t, "login", fields{"email": email, "password": password}).expect(t, http.StatusOK).decode(t, &s)
	return s.Token
}

func TestChangePasswordAndName(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, annEmail)
	by := bearer(ann.Token)
	b.auth(t, "change-password", fields{"currentPassword": "wrong", "newPassword": "another one"}, by).accountError(t, http.StatusBadRequest, "wrong_password")
	f := b.auth(t, "change-password", fields{"newPassword": "x"}, by).accountError(t, http.StatusBadRequest, "invalid_request")
	if len(f.Errors) != 2 {
		t.Errorf("faults %+v", f.Errors)
	}
	var changed session
	resp := b.auth(t, "change-password", fields{"currentPassword": annPassword, "newPassword": "another one"}, by).expect(t, http.StatusOK)
	resp.decode(t, &changed)
	if len(resp.Cookies()) != 1 || resp.Cookies()[0].Value != changed.Token {
		t.Errorf("cookies %v", resp.Cookies())
	}
	b.auth(t, "profile", fields{"username": "x"}, by).accountError(t, http.StatusUnauthorized, "invalid_token")
	by = bearer(changed.Token)
	b.auth(t, "profile", fields{"username": " "}, by).accountError(t, http.StatusBadRequest, "invalid_request")
	var named session
	b.auth(t, "profile", fields{"username": "Anna"}, by).expect(t, http.StatusOK).decode(t, &named)
	if named.User.Username != "Anna" {
		t.Errorf("renamed to %+v", named.User)
	}
	b.auth(t, "login", fields{"email": annEmail, "password": annPassword}).accountError(t, http.StatusUnauthorized, "wrong_credentials")
	b.login(t, annEmail, "another one")
}

func TestPasswordReset(t *testing.T) {
	t.Parallel()
	l, with := withResetEmails(t)
	b := setup(t, with)
	ann := b.signUp(t, annEmail)
	ask := func(email string) *reply {
		t.Helper()
		return b.auth(t, "forgot-password", fields{"email": email}, header("Accept-Language", "zh")).expect(t, http.StatusOK)
	}
	link := func() string {
		t.Helper()
		got := <-l.links
		address, lang, _ := strings.Cut(got[1], " ")
		token, found := strings.CutPrefix(address, "https://page.example/reset-password?token=")
		if !found || got[0] != annEmail || lang != "zh" {
			t.Fatalf("delivered %v", got)
		}
		return token
	}
	ask("nobody@example.org")
	ask(annEmail)
	first := link()
	ask(strings.ToUpper(annEmail))
	second := link()
	reset := func(token string) *reply {
		t.Helper()
		return b.auth(t, "reset-password", fields{"token": token, "newPassword": "another one"})
	}
	reset(first).accountError(t, http.StatusBadRequest, "invalid_reset_token")
	if done := reset(second).expect(t, http.StatusOK); len(done.Cookies()) != 0 || strings.Contains(string(done.body), `"token"`) {
		t.Errorf("the reset signs in: %s", done.body)
	}
	reset(second).accountError(t, http.StatusBadRequest, "invalid_reset_token")
	b.request(t, http.MethodGet, authRoute+"validate", nil, bearer(ann.Token)).accountError(t, http.StatusUnauthorized, "invalid_token")
	b.login(t, annEmail, "another one")
	f := b.auth(t, "reset-password", fields{"newPassword": "123"}).accountError(t, http.StatusBadRequest, "invalid_request")
	if len(f.Errors) != 2 {
		t.Errorf("faults %+v", f.Errors)
	}
	b.auth(t, "forgot-password", fields{"email": "x"}).accountError(t, http.StatusBadRequest, "invalid_request")
	// The third letter of the hour is the last one; the answer stays the same.
	before := ask(annEmail)
	link()
	after := ask(annEmail)
	if string(before.body) != string(after.body) {
		t.Errorf("the answers differ: %s and %s", before.body, after.body)
	}
	page := b.request(t, http.MethodGet, "/reset-password?token=x", nil).expect(t, http.StatusOK)
	if page.Header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(string(page.body), "<title>Page") {
		t.Errorf("the page: %v", page.Header)
	}
}

func TestAccountAttemptLimits(t *testing.T) {
	t.Parallel()
	limited := func(t *testing.T, most int, status int, code string, try func(n int) *reply) {
		t.Helper()
		for n := range most {
			try(n).accountError(t, status, code)
		}
		resp := try(most)
		f := resp.accountError(t, http.StatusTooManyRequests, "too_many_attempts")
		if f.RetryAfter < 1 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("no word when to come again: %s", resp.body)
		}
	}
	t.Run("one account", func(t *testing.T) {
		t.Parallel()
		for _, email := range []string{annEmail, "nobody@example.org"} {
			b := setup(t)
			b.signUp(t, annEmail)
			for range 20 {
				b.login(t, annEmail, annPassword) // What succeeds does not count.
			}
			limited(t, 10, http.StatusUnauthorized, "wrong_credentials", func(int) *reply {
				return b.auth(t, "login", fields{"email": email, "password": "wrong"})
			})
			// A good password does not help who guesses.
			b.auth(t, "login", fields{"email": email, "password": annPassword}).accountError(t, http.StatusTooManyRequests, "too_many_attempts")
		}
	})
	t.Run("many accounts", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		limited(t, 30, http.StatusUnauthorized, "wrong_credentials", func(n int) *reply {
			return b.auth(t, "login", fields{"email": strings.Repeat("a", n+1) + "@example.org", "password": "wrong"})
		})
	})
	t.Run("resets", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		limited(t, 20, http.StatusBadRequest, "invalid_reset_token", func(int) *reply {
			return b.auth(t, "reset-password", fields{"token": "x", "newPassword": "abc12 xyz"})
		})
	})
	t.Run("confirmations", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		by := bearer(b.signUp(t, annEmail).Token)
		limited(t, 10, http.StatusBadRequest, "wrong_password", func(n int) *reply {
			if n%2 == 0 {
				return b.auth(t, "delete-account", fields{"password": "wrong"}, by)
			}
			return b.auth(t, "change-password", fields{"currentPassword": "wrong", "newPassword": "another one"}, by)
		})
	})
	t.Run("letters", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 10 {
			b.auth(t, "forgot-password", fields{"email": "nobody@example.org"}).expect(t, http.StatusOK)
		}
		b.auth(t, "forgot-password", fields{"email": "somebody@example.org"}).accountError(t, http.StatusTooManyRequests, "too_many_attempts")
	})
	t.Run("accounts", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.MaxSignups = 2 })
		b.signUp(t, "a@example.org")
		b.signUp(t, "b@example.org")
		b.auth(t, "register", fields{"username": "c", "email": "c@example.org", "password": "abc12 xyz"}).accountError(t, http.StatusTooManyRequests, "too_many_attempts")
	})
}

// TestConcurrentLoginsAreCounted sends all guesses before the first one is answered.
func TestConcurrentLoginsAreCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signUp(t, annEmail)
	statuses := make(chan int, 40)
	for range cap(statuses) {
		go func() {
			statuses <- b.auth(t, "login", fields{"email": annEmail, "password": "wrong"}).StatusCode
		}()
	}
	got := map[int]int{}
	for range cap(statuses) {
		got[<-statuses]++
	}
	if got[http.StatusUnauthorized] != 10 || got[http.StatusTooManyRequests] != 30 {
		t.Errorf("statuses %v", got)
	}
}

func TestLegacyTokensAreReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, annEmail)
	old := legacyToken(t, ann)
	resp := b.request(t, http.MethodGet, authRoute+"validate", nil, bearer(old)).expect(t, http.StatusOK)
	var fresh session
	resp.decode(t, &fresh)
	if fresh.Token == "" || fresh.Token == old {
		t.Fatalf("not replaced: %s", resp.body)
	}
	b.request(t, http.MethodGet, "/api/jobs", nil, bearer(fresh.Token)).expect(t, http.StatusOK)
	strict := setup(t, func(_ *server.Config, deps *server.Deps) {
		var cfg account.Config
		must(t, env.Load([]string{"JWT_ALLOW_LEGACY=false"}, &cfg))
		cfg.Iterations, cfg.Quick = 10, true
		var err error
		deps.Accounts, err = account.New(t.Context(), deps.Broker, cfg, []byte(secret))
		must(t, err)
	})
	again := strict.signUp(t, annEmail)
	strict.request(t, http.MethodGet, authRoute+"validate", nil, bearer(legacyToken(t, again))).accountError(t, http.StatusUnauthorized, "invalid_token")
}
