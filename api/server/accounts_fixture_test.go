package server_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/account/accounttest"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// The personal data of a test account. Both values contain canary, which tests search the log for.
const (
	annEmail    = "ann.canary@example.org"
	annPassword = "canary's password"
)

const authRoute = "/api/auth/"

// newAccounts returns accounts with a cheap password hash, and a mailer that delivers nothing.
func newAccounts(t testing.TB, b *broker.Broker, log *slog.Logger, environ ...string) (*account.Accounts, *account.Mailer) {
	t.Helper()
	accounts, err := account.New(t.Context(), b, accounttest.Config(t, environ...), []byte(secret))
	must(t, err)
	return accounts, account.NewMailer(accounts, func() string { return "" }, func(context.Context, string, string, job.Lang) error { return nil }, log)
}

// mailerWithoutDelivery returns a mailer that cannot send email.
func mailerWithoutDelivery(deps *server.Deps) *account.Mailer {
	return account.NewMailer(deps.Accounts, func() string { return "" }, nil, deps.Log)
}

// startMailer has a server use m and stops m at the end of the test.
func startMailer(t testing.TB, deps *server.Deps, m *account.Mailer) {
	t.Helper()
	deps.Recovery = m
	m.Start()
	t.Cleanup(func() { must(t, m.Stop(context.Background())) })
}

func pageURL() string { return "https://page.example" }

// linkEmails returns a function that sends the emails with a link to the channel, for emailToken to read.
func linkEmails() (chan string, func(ctx context.Context, to, link string, lang job.Lang) error) {
	emails := make(chan string, 100)
	return emails, func(_ context.Context, to, link string, lang job.Lang) error {
		emails <- to + " " + string(lang) + " " + link
		return nil
	}
}

// emailToken returns the token of the next email, which must be to Ann and link to this page.
func emailToken(t testing.TB, emails chan string, lang, page string) string {
	t.Helper()
	email := <-emails
	token, found := strings.CutPrefix(email, annEmail+" "+lang+" "+pageURL()+"/"+page+"?token=")
	if !found {
		t.Fatalf("unexpected email %q", email)
	}
	return token
}

// withResetEmails sends the emails of password resets to the channel.
func withResetEmails(t testing.TB) (chan string, change) {
	t.Helper()
	emails, send := linkEmails()
	return emails, func(_ *server.Config, deps *server.Deps) {
		startMailer(t, deps, account.NewMailer(deps.Accounts, pageURL, send, deps.Log))
	}
}

// withVerification requires verified email addresses and sends the verification emails to the channel.
func withVerification(t testing.TB) (chan string, change) {
	t.Helper()
	emails, send := linkEmails()
	return emails, func(_ *server.Config, deps *server.Deps) {
		deps.VerifyEmail = true
		startMailer(t, deps, account.NewMailer(deps.Accounts, pageURL, nil, deps.Log, account.WithVerifications(send)))
	}
}

// session is the response to a sign-up or login.
type session struct {
	Token  string
	User   struct{ ID, Username, Email, CreatedAt, LastLoginAt string }
	cookie *http.Cookie
}

func (b *bundle) auth(t testing.TB, route string, body any, options ...option) *reply {
	t.Helper()
	return b.post(t, authRoute+route, body, options...)
}

// signUp creates an account.
func (b *bundle) signUp(t testing.TB, email string) *session {
	t.Helper()
	resp := b.auth(t, "register", fields{"username": "Ann", "email": email, "password": annPassword}).expect(t, http.StatusCreated)
	s := &session{}
	resp.decode(t, s)
	for _, c := range resp.Cookies() {
		if c.Name == "auth_token" {
			s.cookie = c
		}
	}
	if s.cookie == nil || s.cookie.Value != s.Token || s.User.ID == "" {
		t.Fatalf("signed up: %s, cookies %v", resp.body, resp.Cookies())
	}
	return s
}

// newMember creates an account and returns an option that sends its token.
func (b *bundle) newMember(t testing.TB, email string) option {
	t.Helper()
	return bearer(b.signUp(t, email).Token)
}

// login signs in and returns the token.
func (b *bundle) login(t testing.TB, email, password string) string {
	t.Helper()
	var s session
	b.auth(t, "login", fields{"email": email, "password": password}).expect(t, http.StatusOK).decode(t, &s)
	return s.Token
}

// validate sends GET /api/auth/validate.
func (b *bundle) validate(t testing.TB, options ...option) *reply {
	t.Helper()
	return b.get(t, authRoute+"validate", options...)
}
