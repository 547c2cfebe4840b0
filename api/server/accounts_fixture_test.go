package server_test

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// What people say about themselves in tests; each of them is a canary.
const (
	annEmail    = "ann.canary@example.org"
	annPassword = "canary's password"
)

// people returns accounts whose passwords are hashed in no time, and a recovery that delivers to nobody.
func newAccounts(t testing.TB, b *broker.Broker, log *slog.Logger) (*account.Accounts, *account.Mailer) {
	t.Helper()
	var cfg account.Config
	must(t, env.Load(nil, &cfg))
	cfg.Iterations, cfg.Quick = 10, true
	accounts, err := account.New(t.Context(), b, cfg, []byte(secret))
	must(t, err)
	return accounts, account.NewMailer(accounts, func() string { return "" }, func(context.Context, string, string, job.Lang) error { return nil }, log)
}

// letters keeps the links that were delivered, by address.
type resetEmails struct {
	links chan [2]string
}

// withLetters has links of password resets end up in the returned letters.
func withResetEmails(t testing.TB) (*resetEmails, func(*server.Config, *server.Deps)) {
	t.Helper()
	l := &resetEmails{links: make(chan [2]string, 100)}
	return l, func(_ *server.Config, deps *server.Deps) {
		deps.Recovery = account.NewMailer(deps.Accounts, func() string { return "https://page.example" }, func(_ context.Context, to, link string, lang job.Lang) error {
			l.links <- [2]string{to, link + " " + string(lang)}
			return nil
		}, deps.Log)
		deps.Recovery.Start()
		var once sync.Once
		t.Cleanup(func() { once.Do(func() { must(t, deps.Recovery.Stop(context.Background())) }) })
	}
}

// session is a person who has signed up.
type session struct {
	Token  string
	User   struct{ ID, Username, Email, CreatedAt, LastLoginAt string }
	cookie *http.Cookie
}

// bearer signs a request with a token.
func bearer(token string) option { return header("Authorization", "Bearer "+token) }

// signUp makes an account.
func (b *bundle) signUp(t testing.TB, email string) *session {
	t.Helper()
	resp := b.request(t, http.MethodPost, "/api/auth/register", fields{"username": "Ann", "email": email, "password": annPassword}).expect(t, http.StatusCreated)
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

// noLetters is a recovery without a way to reach anybody.
func mailerWithoutDelivery(deps *server.Deps) *account.Mailer {
	return account.NewMailer(deps.Accounts, func() string { return "" }, nil, deps.Log)
}
