package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

func TestGoogleSignInDoesNotTakeOverAccounts(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	ann := g.signUp(t, annEmail)
	takeover := func(more ...string) *reply {
		t.Helper()
		b := g.browser(t)
		return b.auth(t, "google-oauth", b.authorizeAs(t, annEmail, more...).body())
	}
	resp := takeover()
	if f := resp.accountError(t, http.StatusUnauthorized, "link_required"); f.Cause != "link_required" || !strings.Contains(f.Error, "password") {
		t.Errorf("response %s", resp.body)
	}
	takeover("verified", "no").accountError(t, http.StatusUnauthorized, "google_email_unverified")
	g.auth(t, "google-login", fields{"idToken": g.idToken(t, annEmail, nil)}).accountError(t, http.StatusUnauthorized, "link_required")
	b := g.browser(t)
	b.auth(t, "google-oauth", b.authorizeAs(t, "new@example.com", "verified", "no").body()).accountError(t, http.StatusUnauthorized, "google_email_unverified")
	if _, err := g.deps.Accounts.Login(t.Context(), "new@example.com", ""); err == nil {
		t.Error("an account was created")
	}
	// The owner signs in with the password and then links Google.
	owner := g.browser(t)
	owner.auth(t, "login", fields{"email": annEmail, "password": annPassword}).expect(t, http.StatusOK)
	linked := owner.signIn(t, annEmail)
	if linked.User.ID != ann.User.ID || !linked.User.HasGoogle || !linked.User.HasPassword || linked.User.AuthProvider != "google" {
		t.Errorf("linked %+v", linked)
	}
	if m := g.browser(t).signIn(t, annEmail); m.User.ID != ann.User.ID {
		t.Errorf("Google signs in to %+v", m)
	}
	g.login(t, annEmail, annPassword)
	disabled, err := g.deps.Accounts.SignInGoogle(t.Context(), account.GoogleIdentity{Subject: "1", Email: "off@example.com", Verified: true}, func() error { return nil })
	must(t, err)
	disabled.IsActive = false
	putUser(t, g.bundle, disabled)
	g.auth(t, "google-login", fields{"idToken": g.idToken(t, "off@example.com", fields{"sub": "1"})}).accountError(t, http.StatusUnauthorized, "account_disabled")
}

func TestLinkAndUnlinkGoogle(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	ann, bob := g.signUp(t, annEmail), g.signUp(t, "bob@example.org")
	// With a bearer token, and another email address than that of the account.
	b := g.browser(t)
	var m googleSession
	b.auth(t, "google-oauth", b.authorizeAs(t, "private@example.com").body(), bearer(ann.Token)).expect(t, http.StatusOK).decode(t, &m)
	if m.User.ID != ann.User.ID || m.User.Email != annEmail || !m.User.HasGoogle {
		t.Errorf("linked %+v", m)
	}
	link := func(who *session, email string) *reply {
		t.Helper()
		b := g.browser(t)
		return b.auth(t, "google-oauth", b.authorizeAs(t, email).body(), bearer(who.Token))
	}
	link(bob, "private@example.com").accountError(t, http.StatusConflict, "google_linked_elsewhere")
	link(ann, "third@example.com").accountError(t, http.StatusConflict, "other_google_linked")
	link(ann, "private@example.com").expect(t, http.StatusOK)
	// Started as a guest; meanwhile a member signed in in the same browser.
	b = g.browser(t)
	code := b.authorizeAs(t, "fourth@example.com")
	b.auth(t, "login", fields{"email": "bob@example.org", "password": annPassword}).expect(t, http.StatusOK)
	signedInOnly := func(code authCode) {
		t.Helper()
		var m googleSession
		b.auth(t, "google-oauth", code.body()).expect(t, http.StatusOK).decode(t, &m)
		if m.User.ID == bob.User.ID || m.User.Email != "fourth@example.com" {
			t.Errorf("Bob's account was linked: %+v", m)
		}
	}
	signedInOnly(code)
	// Another site redirects Bob's browser to Google.
	for _, site := range []string{"cross-site", "same-site"} {
		b.auth(t, "login", fields{"email": "bob@example.org", "password": annPassword}).expect(t, http.StatusOK)
		signedInOnly(authorize(t, b.startSignIn(t, "", header("Sec-Fetch-Site", site)), "fourth@example.com"))
	}
	// Started as Bob, who has meanwhile signed out or been replaced by another member.
	b.auth(t, "login", fields{"email": "bob@example.org", "password": annPassword}).expect(t, http.StatusOK)
	code = authorize(t, b.startSignIn(t, "", header("Sec-Fetch-Site", "same-origin")), "fifth@example.com")
	b.auth(t, "login", fields{"email": annEmail, "password": annPassword}).expect(t, http.StatusOK)
	b.auth(t, "google-oauth", code.body()).accountError(t, http.StatusUnauthorized, "google_state")
	b.auth(t, "login", fields{"email": "bob@example.org", "password": annPassword}).expect(t, http.StatusOK)
	code = authorize(t, b.startSignIn(t, "", header("Sec-Fetch-Site", "same-origin")), "fourth@example.com")
	b.auth(t, "logout", nil).expect(t, http.StatusOK)
	b.auth(t, "google-oauth", code.body()).accountError(t, http.StatusUnauthorized, "google_state")
	// A token from an old sign-in, as a stolen one would be.
	_, stale := g.staleToken(t, "bob@example.org")
	g.get(t, authRoute+"google", bearer(stale)).accountError(t, http.StatusForbidden, "sign_in_again")
	b = g.browser(t)
	b.auth(t, "google-oauth", b.authorizeAs(t, "fourth@example.com").body(), bearer(stale)).accountError(t, http.StatusForbidden, "sign_in_again")

	b.auth(t, "google-unlink", nil).accountError(t, http.StatusUnauthorized, "sign_in_required")
	g.auth(t, "google-unlink", nil, bearer(ann.Token)).expect(t, http.StatusOK).decode(t, &m)
	if m.User.HasGoogle || !m.Success {
		t.Errorf("unlinked %+v", m)
	}
	link(bob, "private@example.com").expect(t, http.StatusOK)
	only := g.browser(t)
	only.signIn(t, "only@example.com")
	only.auth(t, "google-unlink", nil).accountError(t, http.StatusConflict, "password_required")
}

// staleToken returns an account and a token whose sign-in is too old for sensitive changes.
func (g *googleFixture) staleToken(t testing.TB, email string) (*account.User, string) {
	t.Helper()
	u, err := g.deps.Accounts.Login(t.Context(), email, annPassword)
	must(t, err)
	token, err := g.deps.Accounts.Renew(u)
	must(t, err)
	return u, token
}

func TestDeleteAccountWithoutPassword(t *testing.T) {
	t.Parallel()
	g := withGoogle(t).browser(t)
	m := g.signIn(t, "ada@example.com")
	u, _, err := g.deps.Accounts.Identify(t.Context(), m.Token)
	must(t, err)
	stale, err := g.deps.Accounts.Renew(u)
	must(t, err)
	bare := *g.bundle
	bare.client = &http.Client{Transport: g.client.Transport}
	bare.auth(t, "delete-account", fields{}, bearer(stale)).accountError(t, http.StatusForbidden, "sign_in_again")
	bare.auth(t, "change-password", fields{"currentPassword": "", "newPassword": "another one"}, bearer(m.Token)).accountError(t, http.StatusBadRequest, "invalid_request")
	bare.auth(t, "change-password", fields{"currentPassword": "x", "newPassword": "another one"}, bearer(m.Token)).accountError(t, http.StatusBadRequest, "wrong_password")
	bare.auth(t, "delete-account", fields{}, bearer(m.Token)).expect(t, http.StatusOK)
	users, err := g.broker.JetStream().KeyValue(t.Context(), broker.BucketUsers)
	must(t, err)
	left, err := users.ListKeys(t.Context())
	must(t, err)
	// Deletion markers are not listed.
	for name := range left.Keys() {
		t.Errorf("%s is left", name)
	}
	bare.validate(t, bearer(m.Token)).accountError(t, http.StatusUnauthorized, "invalid_token")
	if again := g.browser(t).signIn(t, "ada@example.com"); again.User.ID == u.ID {
		t.Error("the deleted account is back")
	}
}

// putUser stores an account.
func putUser(t testing.TB, b *bundle, u *account.User) {
	t.Helper()
	_, err := b.broker.JetStream().Publish(t.Context(), broker.UserSubject(userKey(u.Email)), marshal(t, u))
	must(t, err)
}
