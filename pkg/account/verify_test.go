package account_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func unverified(t testing.TB, a *account.Accounts, email string) *account.User {
	t.Helper()
	u, err := a.RegisterUnverified(t.Context(), "Ann", email, password)
	must(t, err)
	if u.EmailVerified() {
		t.Fatal("a new account is verified")
	}
	return u
}

func TestVerifyEmail(t *testing.T) {
	t.Parallel()
	a, now := open(t)
	u := unverified(t, a, email)
	begin := func() string {
		t.Helper()
		_, token, err := a.BeginVerification(t.Context(), email)
		must(t, err)
		return token
	}
	expectInvalid := func(token, what string) {
		t.Helper()
		if _, err := a.VerifyEmail(t.Context(), token); !errors.Is(err, account.ErrVerification) {
			t.Errorf("%s: %v", what, err)
		}
	}
	first := begin()
	second := begin()
	expectInvalid(first, "a replaced token")
	expectInvalid("x", "not a token")
	other := "A"
	if strings.HasPrefix(second, other) {
		other = "B"
	}
	expectInvalid(other+second[1:], "an altered token")
	_, reset, err := a.BeginReset(t.Context(), email)
	must(t, err)
	expectInvalid(reset, "the token of a reset")
	if _, err := a.Reset(t.Context(), second, "another one"); !errors.Is(err, account.ErrReset) {
		t.Errorf("a verification token resets a password: %v", err)
	}
	now.Advance(account.VerificationAge)
	expectInvalid(second, "an expired token")
	third := begin()
	if _, err := a.Login(t.Context(), email, password); err != nil {
		t.Errorf("login without verification: %v", err)
	}
	verified, err := a.VerifyEmail(t.Context(), third)
	must(t, err)
	if !verified.EmailVerified() || verified.ID != u.ID {
		t.Errorf("after VerifyEmail: %+v", verified)
	}
	expectInvalid(third, "a used token")
	if _, _, err := a.BeginVerification(t.Context(), email); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("verify again: %v", err)
	}
}

// TestTokenIsBoundToItsAccount uses a token of a deleted account after its address was registered again.
func TestTokenIsBoundToItsAccount(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := unverified(t, a, email)
	_, token, err := a.BeginVerification(t.Context(), email)
	must(t, err)
	must(t, a.Delete(t.Context(), u))
	unverified(t, a, email)
	if _, err := a.VerifyEmail(t.Context(), token); !errors.Is(err, account.ErrVerification) {
		t.Errorf("the token verifies the new account: %v", err)
	}
}

func TestVerificationByResetAndGoogle(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	unverified(t, a, email)
	_, token, err := a.BeginReset(t.Context(), email)
	must(t, err)
	u, err := a.Reset(t.Context(), token, "another password")
	must(t, err)
	if !u.EmailVerified() {
		t.Error("a password reset does not verify the address")
	}
	bob := unverified(t, a, "bob@example.org")
	for _, c := range []struct {
		address string
		want    bool
	}{{"other@example.org", false}, {"Bob@Example.org", true}} {
		linked, err := a.LinkGoogle(t.Context(), bob, account.GoogleIdentity{Subject: "1", Email: c.address, Verified: true})
		must(t, err)
		if linked.EmailVerified() != c.want {
			t.Errorf("linked to %s: verified %t", c.address, linked.EmailVerified())
		}
	}
	if registered := register(t, func() *account.Accounts { a, _ := open(t); return a }()); !registered.EmailVerified() {
		t.Error("Register returns an unverified account")
	}
}

// TestRecordsWithoutEmailUnverified decodes an account without the field and encodes it without.
func TestRecordsWithoutEmailUnverified(t *testing.T) {
	t.Parallel()
	u, err := account.DecodeUser([]byte(`{"v":1,"id":"i","username":"Ann","email":"a@b.c","createdAt":"2024-05-06T07:08:09.123Z","lastLoginAt":null,"isActive":true}`))
	must(t, err)
	if !u.EmailVerified() {
		t.Error("not verified")
	}
	data, err := json.Marshal(u)
	must(t, err)
	var fields map[string]any
	must(t, json.Unmarshal(data, &fields))
	if _, there := fields["emailUnverified"]; there {
		t.Errorf("encoded as %s", data)
	}
}

func TestCountSignup(t *testing.T) {
	t.Parallel()
	a, now := open(t)
	count := func(want time.Duration) {
		t.Helper()
		wait, err := a.CountSignup(t.Context(), "home", 2)
		if err != nil || (wait-want).Abs() > time.Second {
			t.Errorf("wait %s, want %s: %v", wait, want, err)
		}
	}
	count(0)
	now.Advance(20 * time.Minute)
	count(0)
	now.Advance(10 * time.Minute)
	count(30 * time.Minute) // Until the first one is an hour old.
	if wait, err := a.CountSignup(t.Context(), "elsewhere", 2); err != nil || wait != 0 {
		t.Errorf("another client: wait %s, %v", wait, err)
	}
	must(t, a.ForgetSignup(t.Context(), "home"))
	count(0)
	now.Advance(30 * time.Minute)
	count(0)
	count(30 * time.Minute)
	now.Advance(time.Hour)
	count(0)
}

func TestVerificationEmail(t *testing.T) {
	t.Parallel()
	for _, lang := range append(job.Langs(), "fr") {
		subject, text := account.VerificationEmail("https://page.example/x", lang)
		if subject == "" || len(text) < 50 || !containsLine(text, "https://page.example/x") {
			t.Errorf("%s: %s: %s", lang, subject, text)
		}
	}
}

func containsLine(text, line string) bool {
	for l := range strings.Lines(text) {
		if strings.TrimSuffix(l, "\n") == line {
			return true
		}
	}
	return false
}
