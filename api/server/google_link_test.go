package server_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
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
		return b.auth(t, "google-oauth", authorize(t, b.startSignIn(t, ""), annEmail, more...).body())
	}
	resp := takeover()
	if f := resp.accountError(t, http.StatusUnauthorized, "link_required"); f.Cause != "link_required" || !strings.Contains(f.Error, "password") {
		t.Errorf("told %s", resp.body)
	}
	takeover("verified", "no").accountError(t, http.StatusUnauthorized, "google_email_unverified")
	g.auth(t, "google-login", fields{"idToken": g.idToken(t, annEmail, nil)}).accountError(t, http.StatusUnauthorized, "link_required")
	b := g.browser(t)
	b.auth(t, "google-oauth", authorize(t, b.startSignIn(t, ""), "new@example.com", "verified", "no").body()).accountError(t, http.StatusUnauthorized, "google_email_unverified")
	if _, err := g.deps.Accounts.Login(t.Context(), "new@example.com", ""); err == nil {
		t.Error("an account was made")
	}
	// The owner signs in with the password, and then links the two.
	owner := g.browser(t)
	owner.auth(t, "login", fields{"email": annEmail, "password": annPassword}).expect(t, http.StatusOK)
	linked := owner.signIn(t, annEmail)
	if linked.User.ID != ann.User.ID || !linked.User.HasGoogle || !linked.User.HasPassword || linked.User.AuthProvider != "google" {
		t.Errorf("linked %+v", linked)
	}
	if m := g.browser(t).signIn(t, annEmail); m.User.ID != ann.User.ID {
		t.Errorf("Google opens %+v", m)
	}
	g.login(t, annEmail, annPassword)
	disabled, err := g.deps.Accounts.SignInGoogle(t.Context(), account.GoogleIdentity{Subject: "1", Email: "off@example.com", Verified: true}, func() error { return nil })
	must(t, err)
	disabled.IsActive = false
	must(t, putUser(t, g.bundle, disabled))
	g.auth(t, "google-login", fields{"idToken": g.idToken(t, "off@example.com", fields{"sub": "1"})}).accountError(t, http.StatusUnauthorized, "account_disabled")
}

func TestLinkAndUnlinkGoogle(t *testing.T) {
	t.Parallel()
	g := withGoogle(t)
	ann, bob := g.signUp(t, annEmail), g.signUp(t, "bob@example.org")
	// By a token in a header, under another address than the account's.
	b := g.browser(t)
	var m googleSession
	b.auth(t, "google-oauth", authorize(t, b.startSignIn(t, ""), "private@example.com").body(), bearer(ann.Token)).expect(t, http.StatusOK).decode(t, &m)
	if m.User.ID != ann.User.ID || m.User.Email != annEmail || !m.User.HasGoogle {
		t.Errorf("linked %+v", m)
	}
	link := func(who *session, email string) *reply {
		t.Helper()
		b := g.browser(t)
		return b.auth(t, "google-oauth", authorize(t, b.startSignIn(t, ""), email).body(), bearer(who.Token))
	}
	link(bob, "private@example.com").accountError(t, http.StatusConflict, "google_linked_elsewhere")
	link(ann, "third@example.com").accountError(t, http.StatusConflict, "other_google_linked")
	link(ann, "private@example.com").expect(t, http.StatusOK)
	// Begun as a guest, and in the meantime somebody signed in with the browser's cookie.
	b = g.browser(t)
	w := authorize(t, b.startSignIn(t, ""), "fourth@example.com")
	b.auth(t, "login", fields{"email": "bob@example.org", "password": annPassword}).expect(t, http.StatusOK)
	signedInOnly := func(w authCode) {
		t.Helper()
		var m googleSession
		b.auth(t, "google-oauth", w.body()).expect(t, http.StatusOK).decode(t, &m)
		if m.User.ID == bob.User.ID || m.User.Email != "fourth@example.com" {
			t.Errorf("Bob's account was linked: %+v", m)
		}
	}
	signedInOnly(w)
	// Another site sends Bob's browser to Google.
	for _, site := range []string{"cross-site", "same-site"} {
		b.auth(t, "login", fields{"email": "bob@example.org", "password": annPassword}).expect(t, http.StatusOK)
		signedInOnly(authorize(t, b.startSignIn(t, "", header("Sec-Fetch-Site", site)), "fourth@example.com"))
	}
	// Begun as Bob, and in the meantime Bob has gone, or somebody else has come.
	b.auth(t, "login", fields{"email": "bob@example.org", "password": annPassword}).expect(t, http.StatusOK)
	w = authorize(t, b.startSignIn(t, "", header("Sec-Fetch-Site", "same-origin")), "fifth@example.com")
	b.auth(t, "login", fields{"email": annEmail, "password": annPassword}).expect(t, http.StatusOK)
	b.auth(t, "google-oauth", w.body()).accountError(t, http.StatusUnauthorized, "google_state")
	b.auth(t, "login", fields{"email": "bob@example.org", "password": annPassword}).expect(t, http.StatusOK)
	w = authorize(t, b.startSignIn(t, "", header("Sec-Fetch-Site", "same-origin")), "fourth@example.com")
	b.auth(t, "logout", nil).expect(t, http.StatusOK)
	b.auth(t, "google-oauth", w.body()).accountError(t, http.StatusUnauthorized, "google_state")
	// A token that is older than a sign-in, as one that was stolen would be.
	_, stale := g.staleToken(t, "bob@example.org")
	g.request(t, http.MethodGet, authRoute+"google", nil, bearer(stale)).accountError(t, http.StatusForbidden, "sign_in_again")
	b = g.browser(t)
	b.auth(t, "google-oauth", authorize(t, b.startSignIn(t, ""), "fourth@example.com").body(), bearer(stale)).accountError(t, http.StatusForbidden, "sign_in_again")

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

// staleToken returns a token of somebody whose sign-in is not of the last minutes.
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
	// The empty mark of what was deleted is none.
	for name := range left.Keys() {
		t.Errorf("%s is left", name)
	}
	bare.request(t, http.MethodGet, authRoute+"validate", nil, bearer(m.Token)).accountError(t, http.StatusUnauthorized, "invalid_token")
	if again := g.browser(t).signIn(t, "ada@example.com"); again.User.ID == u.ID {
		t.Error("the deleted account is back")
	}
}

func putUser(t testing.TB, b *bundle, u *account.User) error {
	t.Helper()
	data, err := json.Marshal(u)
	must(t, err)
	_, err = b.broker.JetStream().Publish(t.Context(), fmt.Sprintf("$KV.USERS.%x", sha256.Sum256([]byte(u.Email))), data)
	return err
}
