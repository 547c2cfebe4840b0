package account_test

import (
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret   = "a secret of the tests"
	email    = "ann@example.org"
	password = "correct horse"
)

// clock is a time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// quick is a configuration with which passwords are hashed in no time.
func quick(t testing.TB) account.Config {
	t.Helper()
	var cfg account.Config
	must(t, env.Load(nil, &cfg))
	cfg.Iterations, cfg.Quick = 10, true
	return cfg
}

// open returns accounts on a NATS of their own.
func open(t testing.TB, changes ...func(*account.Config)) (*account.Accounts, *clock) {
	t.Helper()
	cfg, time := quick(t), newClock()
	for _, change := range changes {
		change(&cfg)
	}
	a, err := account.New(t.Context(), brokertest.Start(t), cfg, []byte(secret), account.WithClock(time.Now))
	must(t, err)
	return a, time
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
