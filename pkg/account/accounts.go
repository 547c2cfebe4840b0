package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

var (
	// ErrTaken is returned when an account with the address exists.
	ErrTaken = errors.New("an account with this address exists")
	// ErrCredentials is returned for a wrong password or an unknown address.
	ErrCredentials = errors.New("wrong address or password")
	// ErrDisabled is returned for a disabled account.
	ErrDisabled = errors.New("the account is disabled")
	// ErrToken is returned for a token that is forged, expired, revoked or missing.
	ErrToken = errors.New("the token is invalid or has expired")
	// ErrUnknown is returned for an account that does not exist.
	ErrUnknown = errors.New("no such account")
	// ErrStale is returned for an operation that requires a sign-in within FreshAge.
	ErrStale = errors.New("the sign-in is too long ago")
	// ErrFull is returned when NATS has no room.
	ErrFull = kv.ErrFull
)

// Accounts is the store of accounts.
type Accounts struct {
	js          jetstream.JetStream
	usersStream jetstream.Stream

	users     *kv.Bucket[User]
	links     *kv.Bucket[googleLink]
	deletions *kv.Bucket[storedDeletion]
	tokens    *kv.Bucket[emailToken]
	signups   *kv.Bucket[signups]
	consumed  *kv.Bucket[int]
	probes    *kv.Bucket[string]
	adopters  *kv.Bucket[adoption]
	adoptions *kv.Bucket[adoptions]
	// worksAge is after which time no work of an adopted guest is left.
	worksAge time.Duration

	cfg    Config
	secret []byte
	// verified has the tokens that are signed with secret.
	verified verifiedTokens
	hasher   *hasher
	now      func() time.Time
}

// Option configures Accounts.
type Option func(*Accounts)

// WithClock replaces time.Now.
func WithClock(now func() time.Time) Option { return func(a *Accounts) { a.now = now } }

// New returns the accounts stored in a broker. secret is JWT_SECRET. It costs three requests.
func New(ctx context.Context, b *broker.Broker, cfg Config, secret []byte, options ...Option) (*Accounts, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(secret) == 0 {
		return nil, errors.New("open accounts: the secret is empty")
	}
	js := b.JetStream()
	users, err := js.Stream(ctx, broker.UsersStream)
	if err != nil {
		return nil, fmt.Errorf("open accounts: %w", err)
	}
	tokens, err := js.Stream(ctx, broker.ResetsStream)
	if err != nil {
		return nil, fmt.Errorf("open account tokens: %w", err)
	}
	results, err := js.Stream(ctx, broker.ResultsStream)
	if err != nil {
		return nil, fmt.Errorf("open accounts: %w", err)
	}
	a := &Accounts{
		js: js, usersStream: users, cfg: cfg, secret: secret, hasher: newHasher(cfg.parameters()), now: time.Now,
		users:     kv.New(js, users, kv.Config[User]{Name: "account", Check: (*User).check}),
		links:     kv.New(js, users, kv.Config[googleLink]{Name: "Google link", Check: func(l *googleLink) error { return kv.CheckVersion(l.V) }}),
		deletions: kv.New(js, users, kv.Config[storedDeletion]{Name: "deletion"}),
		probes:    kv.New(js, users, kv.Config[string]{Name: "probe"}),
		tokens:    kv.New(js, tokens, kv.Config[emailToken]{Name: "email token", Check: func(t *emailToken) error { return kv.CheckVersion(t.V) }}),
		signups: kv.New(js, tokens, kv.Config[signups]{
			Name: "sign-ups", Check: func(s *signups) error { return kv.CheckVersion(s.V) }, Lenient: true, TTL: (*signups).ttl,
		}),
		consumed: kv.New(js, tokens, kv.Config[int]{Name: "use of a token"}),
	}
	a.worksAge = results.CachedInfo().Config.MaxAge + adoptionSlack
	a.adopters = kv.New(js, users, kv.Config[adoption]{
		Name: "adoption", Check: func(d *adoption) error { return kv.CheckVersion(d.V) }, TTL: func(*adoption) time.Duration { return a.worksAge },
	})
	a.adoptions = kv.New(js, users, kv.Config[adoptions]{
		Name: "list of adoptions", Check: func(l *adoptions) error { return kv.CheckVersion(l.V) },
		TTL: func(*adoptions) time.Duration { return a.worksAge },
	})
	for _, option := range options {
		option(a)
	}
	return a, nil
}

// Rename changes the name of an account. username must have passed CheckUsername.
func (a *Accounts) Rename(ctx context.Context, u *User, username string) (*User, error) {
	return a.update(ctx, u, func(stored *User) error {
		stored.Username = strings.TrimSpace(username)
		return nil
	})
}

// SetBudget changes the budget of an account.
func (a *Accounts) SetBudget(ctx context.Context, u *User, budget job.Budget) (*User, error) {
	return a.update(ctx, u, func(stored *User) error {
		stored.Budget = budget
		return nil
	})
}

// Delete removes an account, its email tokens and its link to Google. The caller must have removed all other data of the
// account. Its session tokens are invalid from then on, even if the address is registered again. It returns ErrUnknown, or
// kv.ErrConflict when the account was changed concurrently.
func (a *Accounts) Delete(ctx context.Context, u *User) error {
	stored, revision, err := a.read(ctx, keyOf(u.Email))
	if err != nil {
		return err
	}
	if stored.ID != u.ID {
		return ErrUnknown
	}
	for _, subject := range tokenSubjects(keyOf(u.Email)) {
		if err := a.tokens.Purge(ctx, subject); err != nil {
			return err
		}
	}
	// Remove the link before the account, so that no link to a missing account is left: without the link the account is still
	// found by its address, and an interrupted deletion is repeated.
	if err := a.removeGoogleLink(ctx, stored); err != nil {
		return err
	}
	// Write a delete marker instead of purging: NATS does not record on disk that a record was replaced, so a server that is
	// killed right after a purge would restore the previous revision of the account. Delete only the revision that was read:
	// the address may have a new account by now.
	if err := a.users.Delete(ctx, broker.UserSubject(keyOf(u.Email)), revision); err != nil {
		return err
	}
	return a.removeGoogleLink(ctx, stored) // A concurrent sign-in may have stored it again.
}
