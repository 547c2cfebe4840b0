package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
)

func TestRegisterAndLogin(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, "  Ann.Canary@Example.org ")
	if ann.User.Email != annEmail || !millisecondsPattern.MatchString(ann.User.CreatedAt) || ann.User.LastLoginAt != "" {
		t.Errorf("created %+v", ann.User)
	}
	if c := ann.cookie; !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge != 7*24*3600 || c.Secure {
		t.Errorf("cookie %s", c.Raw)
	}
	b.auth(t, "register", fields{"username": "Eve", "email": annEmail, "password": "another one"}).accountError(t, http.StatusBadRequest, "email_taken")
	for name, body := range map[string]fields{
		"/username required":            {"email": "a@b.c", "password": "abc12 xyz"},
		"/email required":               {"username": "a", "password": "abc12 xyz"},
		"/email invalid_email":          {"username": "a", "email": "unknown", "password": "abc12 xyz"},
		"/password too_short":           {"username": "a", "email": "a@b.c", "password": "ab12 yz"},
		"/password password_too_common": {"username": "a", "email": "a@b.c", "password": "Password1"},
		"/password wrong_type":          {"username": "a", "email": "a@b.c", "password": []int{1}},
		"/username control_character":   {"username": "a\u0000", "email": "a@b.c", "password": "abc12 xyz"},
	} {
		f := b.auth(t, "register", body).accountError(t, http.StatusBadRequest, "invalid_request")
		if !slices.Equal(f.Errors.list(), []string{name}) {
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
		fields{"email": annEmail, "password": "wrong"}, fields{"email": "unknown@example.org", "password": annPassword}, fields{"email": annEmail}, fields{}, fields{"email": 1, "password": []string{}},
	} {
		b.auth(t, "login", body).accountError(t, http.StatusUnauthorized, "wrong_credentials")
	}
	b.auth(t, "login", "not JSON").accountError(t, http.StatusBadRequest, "invalid_json")
}

// TestResponsesDoNotRevealAccounts compares whole responses for existing and unknown accounts.
func TestResponsesDoNotRevealAccounts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signUp(t, annEmail)
	for route, bodies := range map[string][2]fields{
		"login":           {{"email": annEmail, "password": "wrong"}, {"email": "unknown@example.org", "password": "wrong"}},
		"forgot-password": {{"email": annEmail}, {"email": "unknown@example.org"}},
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
	if f := b.validate(t).accountError(t, http.StatusUnauthorized, "sign_in_required"); f.Cause != "no_authorization_token" {
		t.Errorf("cause %s", f.Cause)
	}
	for _, value := range []string{"Bearer ", "Bearer null", "Bearer undefined", "Basic abc", ann.Token} {
		b.validate(t, header("Authorization", value)).accountError(t, http.StatusUnauthorized, "sign_in_required")
	}
	for name, o := range map[string]option{"bearer": bearer(ann.Token), "lower case": header("Authorization", "bearer "+ann.Token), "cookie": cookie(ann.cookie)} {
		var got session
		b.validate(t, o).expect(t, http.StatusOK).decode(t, &got)
		if got.User.ID != ann.User.ID || got.User.Email != annEmail || got.Token != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// The original's clients read lastLoginAt even before the first login, when it is null.
	if got := b.validate(t, bearer(ann.Token)); !strings.Contains(string(got.body), `"lastLoginAt":null`) {
		t.Errorf("never signed in: %s", got.body)
	}
	bad := b.validate(t, cookie(&http.Cookie{Name: "auth_token", Value: "x"}))
	if f := bad.accountError(t, http.StatusUnauthorized, "invalid_token"); f.Cause != "jwt_invalid_or_expired" || len(bad.Cookies()) != 1 || bad.Cookies()[0].MaxAge != -1 {
		t.Errorf("invalid cookie: %+v, %v", f, bad.Cookies())
	}
	if f := b.validate(t, bearer("x")); len(f.Cookies()) != 0 {
		t.Errorf("an invalid token in a header clears the cookie: %v", f.Cookies())
	}
	other := b.login(t, annEmail, annPassword)
	out := b.auth(t, "logout", nil, cookie(ann.cookie)).expect(t, http.StatusOK)
	if len(out.Cookies()) != 1 || out.Cookies()[0].MaxAge != -1 {
		t.Errorf("logout sets cookies %v", out.Cookies())
	}
	b.validate(t, bearer(ann.Token)).accountError(t, http.StatusUnauthorized, "invalid_token")
	b.validate(t, bearer(other)).expect(t, http.StatusOK)
	b.auth(t, "logout", nil, bearer(ann.Token)).expect(t, http.StatusOK)
	b.auth(t, "logout", nil).expect(t, http.StatusOK)
	third := b.login(t, annEmail, annPassword)
	b.auth(t, "logout", fields{"everywhere": true}, bearer(other)).expect(t, http.StatusOK)
	b.validate(t, bearer(third)).accountError(t, http.StatusUnauthorized, "invalid_token")
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
	emails, with := withResetEmails(t)
	b := setup(t, with)
	ann := b.signUp(t, annEmail)
	forgot := func(email string) *reply {
		t.Helper()
		return b.auth(t, "forgot-password", fields{"email": email}, language("zh")).expect(t, http.StatusOK)
	}
	link := func() string {
		t.Helper()
		return emailToken(t, emails, "zh", "reset-password")
	}
	forgot("unknown@example.org")
	forgot(annEmail)
	first := link()
	forgot(strings.ToUpper(annEmail))
	second := link()
	reset := func(token string) *reply {
		t.Helper()
		return b.auth(t, "reset-password", fields{"token": token, "newPassword": "another one"})
	}
	reset(first).accountError(t, http.StatusBadRequest, "invalid_reset_token")
	if done := reset(second).expect(t, http.StatusOK); len(done.Cookies()) != 0 || strings.Contains(string(done.body), `"token"`) {
		t.Errorf("the reset signs the user in: %s", done.body)
	}
	reset(second).accountError(t, http.StatusBadRequest, "invalid_reset_token")
	b.validate(t, bearer(ann.Token)).accountError(t, http.StatusUnauthorized, "invalid_token")
	b.login(t, annEmail, "another one")
	f := b.auth(t, "reset-password", fields{"newPassword": "123"}).accountError(t, http.StatusBadRequest, "invalid_request")
	if len(f.Errors) != 2 {
		t.Errorf("faults %+v", f.Errors)
	}
	b.auth(t, "forgot-password", fields{"email": "x"}).accountError(t, http.StatusBadRequest, "invalid_request")
	// The third email of the hour is the last one; the response stays the same.
	before := forgot(annEmail)
	link()
	after := forgot(annEmail)
	if string(before.body) != string(after.body) {
		t.Errorf("the responses differ: %s and %s", before.body, after.body)
	}
	page := b.get(t, "/reset-password?token=x").expect(t, http.StatusOK)
	if page.Header.Get("Referrer-Policy") != "no-referrer" || !strings.Contains(string(page.body), "<title>Page") {
		t.Errorf("the page: %v", page.Header)
	}
}

func TestAccountAttemptLimits(t *testing.T) {
	t.Parallel()
	limited := func(t *testing.T, limit, status int, code string, try func(n int) *reply) {
		t.Helper()
		for n := range limit {
			try(n).accountError(t, status, code)
		}
		resp := try(limit)
		f := resp.accountError(t, http.StatusTooManyRequests, "too_many_attempts")
		if f.RetryAfter < 1 || resp.Header.Get("Retry-After") == "" {
			t.Errorf("no Retry-After: %s", resp.body)
		}
	}
	t.Run("one account", func(t *testing.T) {
		t.Parallel()
		for _, email := range []string{annEmail, "unknown@example.org"} {
			b := setup(t)
			b.signUp(t, annEmail)
			for range 20 {
				b.login(t, annEmail, annPassword) // Successful logins do not count.
			}
			limited(t, 10, http.StatusUnauthorized, "wrong_credentials", func(int) *reply {
				return b.auth(t, "login", fields{"email": email, "password": "wrong"})
			})
			// Once limited, the correct password is rejected too.
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
		by := b.newMember(t, annEmail)
		limited(t, 10, http.StatusBadRequest, "wrong_password", func(n int) *reply {
			if n%2 == 0 {
				return b.auth(t, "delete-account", fields{"password": "wrong"}, by)
			}
			return b.auth(t, "change-password", fields{"currentPassword": "wrong", "newPassword": "another one"}, by)
		})
	})
	t.Run("reset emails", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		for range 10 {
			b.auth(t, "forgot-password", fields{"email": "unknown@example.org"}).expect(t, http.StatusOK)
		}
		b.auth(t, "forgot-password", fields{"email": "another@example.org"}).accountError(t, http.StatusTooManyRequests, "too_many_attempts")
	})
	t.Run("accounts", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.MaxSignups = 2 })
		b.signUp(t, "a@example.org")
		b.signUp(t, "b@example.org")
		b.auth(t, "register", fields{"username": "c", "email": "c@example.org", "password": "abc12 xyz"}).accountError(t, http.StatusTooManyRequests, "too_many_attempts")
	})
}

// TestConcurrentLoginsAreCounted sends all attempts before the first response.
func TestConcurrentLoginsAreCounted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.signUp(t, annEmail)
	got := countStatuses(40, func(int) *reply {
		return b.auth(t, "login", fields{"email": annEmail, "password": "wrong"})
	})
	if got[http.StatusUnauthorized] != 10 || got[http.StatusTooManyRequests] != 30 {
		t.Errorf("statuses %v", got)
	}
}

func TestLegacyTokensAreReplaced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ann := b.signUp(t, annEmail)
	old := legacyToken(t, ann)
	resp := b.validate(t, bearer(old)).expect(t, http.StatusOK)
	var fresh session
	resp.decode(t, &fresh)
	if fresh.Token == "" || fresh.Token == old {
		t.Fatalf("not replaced: %s", resp.body)
	}
	b.get(t, "/api/jobs", bearer(fresh.Token)).expect(t, http.StatusOK)
	strict := setup(t, func(_ *server.Config, deps *server.Deps) {
		deps.Accounts, _ = newAccounts(t, deps.Broker, deps.Log, "JWT_ALLOW_LEGACY=false")
	})
	again := strict.signUp(t, annEmail)
	strict.validate(t, bearer(legacyToken(t, again))).accountError(t, http.StatusUnauthorized, "invalid_token")
}
