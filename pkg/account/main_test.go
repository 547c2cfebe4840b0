package account_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret   = "a secret of the tests"
	email    = "ann@example.org"
	password = "correct horse"
)

func newClock() *clocktest.Clock { return clocktest.New(time.Now()) }

// newAccounts returns the accounts stored in a broker, with fast password hashes.
func newAccounts(t testing.TB, b *broker.Broker, cfg account.Config, options ...account.Option) *account.Accounts {
	t.Helper()
	a, err := account.New(t.Context(), b, cfg, []byte(secret), append(options, account.WithWeakHashes())...)
	must(t, err)
	return a
}

// config returns the default settings, but with few iterations.
func config(t testing.TB) account.Config {
	t.Helper()
	var cfg account.Config
	must(t, env.Load([]string{"PBKDF2_ITERATIONS=10"}, &cfg))
	return cfg
}

// open returns accounts in a new broker.
func open(t testing.TB, changes ...func(*account.Config)) (*account.Accounts, *clocktest.Clock) {
	t.Helper()
	cfg, clock := config(t), newClock()
	for _, change := range changes {
		change(&cfg)
	}
	return newAccounts(t, brokertest.Start(t), cfg, account.WithClock(clock.Now)), clock
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func register(t testing.TB, a *account.Accounts) *account.User {
	t.Helper()
	u, err := a.Register(t.Context(), " Ann ", " Ann@Example.org ", password)
	must(t, err)
	return u
}

func token(t testing.TB, a *account.Accounts, u *account.User) string {
	t.Helper()
	s, err := a.Token(u)
	must(t, err)
	return s
}
