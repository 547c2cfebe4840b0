package account_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/account"
)

// annAtGoogle returns the identity of Ann's Google account.
func annAtGoogle() account.GoogleIdentity {
	return account.GoogleIdentity{
		Subject: "110169484474386276334", Email: "Ann@Example.org", Verified: true,
		Name: "Ann O'Nym", Picture: "https://lh3.googleusercontent.com/a/ann", Locale: "en-GB",
	}
}

func admitAll() error { return nil }

func signInGoogle(t testing.TB, a *account.Accounts, g account.GoogleIdentity) *account.User {
	t.Helper()
	u, err := a.SignInGoogle(t.Context(), g, admitAll)
	must(t, err)
	return u
}

// expectRefused checks that a sign-in fails without creating or changing an account.
func expectRefused(t testing.TB, a *account.Accounts, g account.GoogleIdentity, want error) {
	t.Helper()
	before, errBefore := a.Read(t.Context(), g.Email)
	if u, err := a.SignInGoogle(t.Context(), g, admitAll); !errors.Is(err, want) || u != nil {
		t.Errorf("got %v, %v; want %v", u, err, want)
	}
	after, errAfter := a.Read(t.Context(), g.Email)
	if fmt.Sprint(before, errBefore) != fmt.Sprint(after, errAfter) {
		t.Errorf("the record changed from %v, %v to %v, %v", before, errBefore, after, errAfter)
	}
}

func TestGoogleCreatesAccount(t *testing.T) {
	t.Parallel()
	a, clock := open(t)
	g := annAtGoogle()
	no := errors.New("no more accounts")
	if _, err := a.SignInGoogle(t.Context(), g, func() error { return no }); !errors.Is(err, no) {
		t.Errorf("not admitted: %v", err)
	}
	u := signInGoogle(t, a, g)
	if u.Email != email || u.Username != g.Name || u.AuthProvider != "google" || u.HasPassword() || !u.HasGoogle() || u.Avatar() != g.Picture || u.LastLoginAt == nil {
		t.Errorf("created %+v", u)
	}
	if want := `{"id":"110169484474386276334","name":"Ann O'Nym","picture":"https://lh3.googleusercontent.com/a/ann","locale":"en-GB"}`; string(u.GoogleInfo) != want {
		t.Errorf("stored %s", u.GoogleInfo)
	}
	clock.Advance(time.Hour)
	// The Google account has another address now. No account is created, so admit is not called.
	g.Email, g.Name, g.Picture = "ann@elsewhere.example", "Ann", "javascript:alert(1)"
	again, err := a.SignInGoogle(t.Context(), g, func() error { return no })
	must(t, err)
	if again.ID != u.ID || again.Email != email || again.Username != u.Username || again.Avatar() != "" || !again.LastLoginAt.After(u.LastLoginAt.Time) {
		t.Errorf("the second sign-in is to %+v", again)
	}
	if _, err := a.Read(t.Context(), g.Email); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("the new address has an account: %v", err)
	}
	if _, err := a.Login(t.Context(), email, ""); !errors.Is(err, account.ErrCredentials) {
		t.Errorf("an empty password: %v", err)
	}
	// The address belongs to another Google account now.
	g = annAtGoogle()
	g.Subject = "2"
	expectRefused(t, a, g, account.ErrOtherGoogle)
}

func TestGoogleNames(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	for n, c := range []struct{ name, want string }{
		{"", "user"}, {" \u0000\n ", "user"}, {"a\u0007b", "ab"}, {strings.Repeat("名", 70), strings.Repeat("名", 64)}, {"\xff", "user"},
	} {
		u := signInGoogle(t, a, account.GoogleIdentity{Subject: fmt.Sprint(n), Email: "user@" + fmt.Sprint(n) + ".example", Verified: true, Name: c.name})
		if u.Username != c.want || len(account.CheckUsername("/u", u.Username)) != 0 {
			t.Errorf("the username for %q is %q", c.name, u.Username)
		}
	}
}

func TestUnverifiedGoogleAccounts(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	u := register(t, a)
	for name, change := range map[string]func(*account.GoogleIdentity){
		"not verified": func(g *account.GoogleIdentity) { g.Verified = false },
		"no address":   func(g *account.GoogleIdentity) { g.Email = "" },
		"bad address":  func(g *account.GoogleIdentity) { g.Email = "ann\r\nBcc: eve@example.org" },
		"no subject":   func(g *account.GoogleIdentity) { g.Subject = "" },
		"kelvin":       func(g *account.GoogleIdentity) { g.Email = "ann@lin\u212aed.example.org" },
		"dotted i":     func(g *account.GoogleIdentity) { g.Email = "\u0130da@example.org" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := annAtGoogle()
			change(&g)
			expectRefused(t, a, g, account.ErrUnverified)
			if _, err := a.LinkGoogle(t.Context(), u, g); !errors.Is(err, account.ErrUnverified) {
				t.Errorf("link: %v", err)
			}
			if g.Email = "new@example.org"; name == "not verified" {
				expectRefused(t, a, g, account.ErrUnverified)
			}
		})
	}
}

// TestGoogleDoesNotTakeOverAccounts signs in with a Google account whose address has an account.
func TestGoogleDoesNotTakeOverAccounts(t *testing.T) {
	t.Parallel()
	g := annAtGoogle()
	hashed, err := account.HashPassword(password, account.Password{Algorithm: "pbkdf2", Iterations: 10, KeyLength: 32, Digest: "sha256"})
	must(t, err)
	for name, c := range map[string]struct {
		info, provider string
		password       account.Password
		disabled       bool
		want           error
	}{
		"a password":                 {"", "", hashed, false, account.ErrLinkRequired},
		"a password, from google":    {"", "google", hashed, false, account.ErrLinkRequired},
		"a password and null":        {"null", "", hashed, false, account.ErrLinkRequired},
		"a password and no id":       {`{"name":"Ann"}`, "google", hashed, false, account.ErrLinkRequired},
		"an id of another type":      {`{"id":110169484474386276334}`, "", hashed, false, account.ErrLinkRequired},
		"an id that begins alike":    {`{"id":"1101694844743862763341"}`, "google", account.Password{}, false, account.ErrOtherGoogle},
		"its own id and a password":  {`{"id":"` + g.Subject + `"}`, "google", hashed, false, nil},
		"its own id":                 {`{"id":"` + g.Subject + `","name":"Old"}`, "google", account.Password{}, false, nil},
		"created with google":        {"", "google", account.Password{}, false, nil},
		"created with google, no id": {`{"name":"Ann"}`, "google", account.Password{}, false, nil},
		"created elsewhere":          {"", "github", account.Password{}, false, account.ErrLinkRequired},
		"disabled":                   {"", "google", account.Password{}, true, account.ErrDisabled},
		"disabled, with its own id":  {`{"id":"` + g.Subject + `"}`, "google", account.Password{}, true, account.ErrDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, _ := open(t)
			record := account.User{ID: "old", Username: "Ann", Email: email, Password: c.password, IsActive: !c.disabled, AuthProvider: c.provider}
			if c.info != "" {
				record.GoogleInfo = []byte(c.info)
			}
			must(t, a.Put(t.Context(), &record))
			if c.want != nil {
				expectRefused(t, a, g, c.want)
				if id, err := a.LinkOf(t.Context(), g.Subject); err != nil || id != "" {
					t.Errorf("a link to %q was left, %v", id, err)
				}
				return
			}
			if u := signInGoogle(t, a, g); u.ID != "old" || u.Avatar() != g.Picture {
				t.Errorf("signed in to %+v", u)
			}
			g := g
			g.Email = "elsewhere@example.org"
			if u := signInGoogle(t, a, g); u.ID != "old" {
				t.Errorf("with another address, signed in to %+v", u)
			}
		})
	}
}

func TestDeletedGoogleAccounts(t *testing.T) {
	t.Parallel()
	a, _ := open(t)
	g := annAtGoogle()
	first := signInGoogle(t, a, g)
	old := token(t, a, first)
	must(t, a.Delete(t.Context(), first))
	if id, err := a.LinkOf(t.Context(), g.Subject); err != nil || id != "" {
		t.Errorf("a link was left: %q, %v", id, err)
	}
	second := signInGoogle(t, a, g)
	if _, _, err := a.Identify(t.Context(), old); second.ID == first.ID || !errors.Is(err, account.ErrUnknown) {
		t.Errorf("a token of the deleted account is valid for the new one: %v", err)
	}
}

func TestConsumeOnce(t *testing.T) {
	t.Parallel()
	a, clock := open(t)
	until := clock.Now().Add(time.Minute)
	must(t, a.ConsumeOnce(t.Context(), "one", until))
	must(t, a.ConsumeOnce(t.Context(), "two", until.Add(-time.Hour)))
	results := make(chan error, 10)
	for range cap(results) {
		go func() { results <- a.ConsumeOnce(t.Context(), "three", until) }()
	}
	succeeded := 0
	for range cap(results) {
		if err := <-results; err == nil {
			succeeded++
		} else if !errors.Is(err, account.ErrConsumed) {
			t.Error(err)
		}
	}
	if err := a.ConsumeOnce(t.Context(), "one", until); !errors.Is(err, account.ErrConsumed) || succeeded != 1 {
		t.Errorf("%v; %d calls succeeded, want 1", err, succeeded)
	}
}

func TestFresh(t *testing.T) {
	t.Parallel()
	a, clock := open(t)
	u := signInGoogle(t, a, annAtGoogle())
	identify := func(token string) account.Session {
		t.Helper()
		_, s, err := a.Identify(t.Context(), token)
		must(t, err)
		return s
	}
	renewed, err := a.Renew(u)
	must(t, err)
	in := identify(token(t, a, u))
	now := clock.Now().Unix()
	old := identify(forge(t, secret, fields{"alg": "HS256"}, fields{"userId": u.ID, "email": u.Email, "iat": now, "auth_time": now, "exp": now + 3600}))
	for name, s := range map[string]account.Session{"renewed": identify(renewed), "of the Cloudflare system": old, "none": {}} {
		if a.Fresh(s) || !errors.Is(a.Confirm(t.Context(), u, s, ""), account.ErrStale) {
			t.Errorf("%s is fresh", name)
		}
	}
	must(t, a.Confirm(t.Context(), u, in, ""))
	clock.Advance(account.FreshAge + time.Second)
	if err := a.Confirm(t.Context(), u, in, ""); !errors.Is(err, account.ErrStale) {
		t.Errorf("after FreshAge: %v", err)
	}
}
