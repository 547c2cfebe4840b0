package server_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// TestPersonalDataIsNotLogged sends canaries in every field and looks for them in the debug log.
func TestPersonalDataIsNotLogged(t *testing.T) {
	t.Parallel()
	emails, with := withResetEmails(t)
	b := setup(t, with)
	ann := b.signUp(t, annEmail)
	b.auth(t, "login", fields{"email": annEmail, "password": "canary's guess"})
	b.auth(t, "register", fields{"username": "canary", "email": "canary", "password": "canary"})
	b.auth(t, "login", `{"email":"canary`)
	b.auth(t, "forgot-password", fields{"email": annEmail})
	token := emailToken(t, emails, "en", "reset-password")
	b.auth(t, "reset-password", fields{"token": token + "canary", "newPassword": "canary's next"})
	b.get(t, "/reset-password?token="+token)
	b.auth(t, "reset-password", fields{"token": token, "newPassword": "canary's next"}).expect(t, http.StatusOK)
	b.get(t, "/api/jobs?canary=1", bearer(ann.Token))
	b.get(t, "/api/jobs", cookie(&http.Cookie{Name: "auth_token", Value: "canary.canary.canary"}))
	in := b.login(t, annEmail, "canary's next")
	b.auth(t, "delete-account", fields{"password": "canary's next"}, bearer(in)).expect(t, http.StatusOK)
	log := b.log.String()
	for _, secret := range []string{"canary", annEmail, token, ann.Token, in, ann.Token[len(ann.Token)-20:], ann.User.ID} {
		if strings.Contains(strings.ToLower(log), strings.ToLower(secret)) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// TestPersonalDataIsNotLoggedWhenTheStoreFails stores unreadable records and then deletes the streams.
func TestPersonalDataIsNotLoggedWhenTheStoreFails(t *testing.T) {
	t.Parallel()
	emails, with := withResetEmails(t)
	b := setup(t, with)
	ann := b.signUp(t, annEmail)
	b.auth(t, "forgot-password", fields{"email": annEmail}).expect(t, http.StatusOK)
	token := emailToken(t, emails, "en", "reset-password")
	try := func() {
		t.Helper()
		for route, body := range map[string]fields{
			"login": {"email": annEmail, "password": annPassword}, "forgot-password": {"email": annEmail},
			"reset-password": {"token": token, "newPassword": annPassword}, "profile": {"username": "canary's name"},
			"change-password": {"currentPassword": annPassword, "newPassword": "canary's next"}, "delete-account": {"password": annPassword},
			"register": {"username": "canary", "email": annEmail, "password": annPassword},
		} {
			resp := b.auth(t, route, body, bearer(ann.Token))
			if failed := resp.StatusCode >= 500; failed != (route != "forgot-password") && resp.StatusCode != http.StatusBadRequest {
				t.Errorf("%s: %d %s", route, resp.StatusCode, resp.body)
			}
			if strings.Contains(string(resp.body), "canary") {
				t.Errorf("%s reveals personal data: %s", route, resp.body)
			}
		}
	}
	for _, record := range []string{`{"v":1,"email":"ann.canary`, `{"v":1,"id":7,"email":"ann.canary@example.org"}`, `"canary"`, `{"v":99,"id":"x","email":"ann.canary@example.org"}`} {
		_, err := b.broker.JetStream().Publish(t.Context(), broker.UserSubject(userKey(annEmail)), []byte(record))
		must(t, err)
		try()
	}
	for _, name := range []string{broker.UsersStream, broker.ResetsStream} {
		must(t, b.broker.JetStream().DeleteStream(t.Context(), name))
	}
	try()
	log := b.log.String()
	for _, secret := range []string{"canary", token, ann.Token, userKey(annEmail)} {
		if strings.Contains(log, secret) {
			t.Errorf("%q is in the log", secret)
		}
	}
}

// userKey returns the key of the account of an email address.
func userKey(email string) string {
	sum := sha256.Sum256([]byte(email))
	return hex.EncodeToString(sum[:])
}
