package account

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var (
	// ErrTaken is returned when an address has an account already.
	ErrTaken = errors.New("the address has an account already")
	// ErrCredentials is returned for a wrong password, and for an address that nobody has.
	ErrCredentials = errors.New("wrong address or password")
	// ErrDisabled is returned for an account that was switched off.
	ErrDisabled = errors.New("the account is disabled")
	// ErrToken is returned for a token that is forged, expired, ended or none at all.
	ErrToken = errors.New("the token is not valid or has expired")
	// ErrUnknown is returned for an account that does not exist.
	ErrUnknown = errors.New("no such account")
	// ErrReset is returned for a password reset that is unknown, expired, used or replaced by a later one.
	ErrReset = errors.New("the password reset is not valid any more")
	// ErrStale is returned for what needs somebody who has signed in a moment ago.
	ErrStale = errors.New("too long since the person signed in")
	// ErrFull is returned when the store takes no more.
	ErrFull = errors.New("the store is full")
)

// Accounts is all accounts.
type Accounts struct {
	js     jetstream.JetStream
	users  jetstream.Stream
	resets jetstream.Stream
	cfg    Config
	secret []byte
	hasher *hasher
	now    func() time.Time
}

// Option changes new accounts.
type Option func(*Accounts)

// WithClock has the time told by another clock.
func WithClock(now func() time.Time) Option { return func(a *Accounts) { a.now = now } }

// New opens the accounts on a broker. secret is JWT_SECRET. It costs two requests.
func New(ctx context.Context, b *broker.Broker, cfg Config, secret []byte, options ...Option) (*Accounts, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(secret) == 0 {
		return nil, errors.New("open accounts: no secret")
	}
	a := &Accounts{js: b.JetStream(), cfg: cfg, secret: secret, hasher: newHasher(cfg.parameters()), now: time.Now}
	for _, option := range options {
		option(a)
	}
	for name, stream := range map[string]*jetstream.Stream{broker.UsersStream: &a.users, broker.ResetsStream: &a.resets} {
		opened, err := a.js.Stream(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("open accounts %s: %w", name, err)
		}
		*stream = opened
	}
	return a, nil
}

// Register makes an account. What it is given must have passed CheckUsername, CheckEmail and CheckPassword. It fails with
// ErrTaken and ErrBusy. It costs the hashing of a password and one acknowledged publish.
func (a *Accounts) Register(ctx context.Context, username, email, password string) (*User, error) {
	return a.register(ctx, username, email, password, false)
}

func (a *Accounts) register(ctx context.Context, username, email, password string, unverified bool) (*User, error) {
	hashed, err := a.hasher.hash(ctx, password)
	if err != nil {
		return nil, err
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("name an account: %w", err)
	}
	now := job.At(a.now())
	u := &User{
		ID: id.String(), Username: strings.TrimSpace(username), Email: NormalizeEmail(email), Password: hashed,
		CreatedAt: now, PasswordUpdatedAt: &now, IsActive: true, EmailUnverified: unverified,
	}
	return u, a.create(ctx, u)
}

// Login returns the account that an address and a password open, and takes note of the time. A password that is stored in
// a weaker way than new ones is hashed anew. It fails with ErrCredentials, after the same time whether the address is
// known or not, with ErrDisabled, and with ErrBusy.
func (a *Accounts) Login(ctx context.Context, email, password string) (*User, error) {
	u, err := a.verify(ctx, email, password)
	if err != nil {
		return nil, err
	}
	if !u.IsActive {
		return nil, ErrDisabled
	}
	var stronger *Password
	if u.weakerThan(a.hasher.with) {
		hashed, err := a.hasher.hash(ctx, password)
		if err != nil {
			return nil, err
		}
		stronger = &hashed
	}
	verified := u.Password
	return a.change(ctx, email, func(now *User) error {
		if now.ID != u.ID || !now.IsActive || now.TokenVersion != u.TokenVersion {
			return ErrCredentials // Somebody changed the password in between.
		}
		if stronger != nil && now.Password == verified {
			now.Password = *stronger
		}
		now.LastLoginAt = job.AtPtr(a.now())
		return nil
	})
}

// verify returns the account of an address if the password is right.
func (a *Accounts) verify(ctx context.Context, email, password string) (*User, error) {
	u, _, err := a.read(ctx, key(email))
	if err != nil && !errors.Is(err, ErrUnknown) {
		return nil, err
	}
	var stored Password
	if u != nil {
		stored = u.Password
	}
	right, err := a.hasher.check(ctx, stored, password)
	if err != nil {
		return nil, err
	}
	if !right {
		return nil, ErrCredentials
	}
	return u, nil
}

// Identify returns the account that a token belongs to. It fails with ErrToken, ErrDisabled and ErrUnknown. It costs one
// request.
func (a *Accounts) Identify(ctx context.Context, token string) (*User, Session, error) {
	c, session, err := a.parse(token)
	if err != nil {
		return nil, Session{}, err
	}
	u, _, err := a.read(ctx, key(c.Email))
	if err != nil {
		return nil, Session{}, err
	}
	switch {
	case u.ID != c.UserID:
		return nil, Session{}, ErrUnknown
	case !u.IsActive:
		return nil, Session{}, ErrDisabled
	case c.Version != u.TokenVersion || slices.ContainsFunc(u.SignedOut, func(s SignedOut) bool { return s.Token == session.hash }):
		return nil, Session{}, ErrToken
	}
	return u, session, nil
}

// SignOut ends one token, or with everywhere all tokens of the account.
func (a *Accounts) SignOut(ctx context.Context, u *User, s Session, everywhere bool) error {
	_, err := a.same(ctx, u, func(now *User) error {
		if everywhere {
			now.endTokens()
		} else {
			now.signOut(s.signedOut(), a.now())
		}
		return nil
	})
	return err
}

// Rename gives an account another name, which must have passed CheckUsername.
func (a *Accounts) Rename(ctx context.Context, u *User, username string) (*User, error) {
	return a.same(ctx, u, func(now *User) error {
		now.Username = strings.TrimSpace(username)
		return nil
	})
}

// ChangePassword replaces a password and ends every token. It fails with ErrCredentials when current is not the password.
// Whoever has none, having signed up elsewhere, gets one only by a reset, which proves the address.
func (a *Accounts) ChangePassword(ctx context.Context, u *User, current, next string) (*User, error) {
	verified, err := a.verify(ctx, u.Email, current)
	if err != nil {
		return nil, err
	}
	hashed, err := a.hasher.hash(ctx, next)
	if err != nil {
		return nil, err
	}
	return a.same(ctx, u, func(now *User) error {
		if now.TokenVersion != verified.TokenVersion {
			return ErrCredentials
		}
		a.setPassword(now, hashed)
		return nil
	})
}

// setPassword replaces a password, with which every token and every reset of before ends.
func (a *Accounts) setPassword(u *User, hashed Password) {
	u.Password, u.PasswordUpdatedAt = hashed, job.AtPtr(a.now())
	u.endTokens()
}

// Confirm fails with ErrCredentials when password is not the account's. The owner of an account without one must have
// signed in a moment ago; otherwise it fails with ErrStale.
func (a *Accounts) Confirm(ctx context.Context, u *User, s Session, password string) error {
	if !u.HasPassword() {
		if !a.Fresh(s) {
			return ErrStale
		}
		return nil
	}
	_, err := a.verify(ctx, u.Email, password)
	return err
}

// Delete removes an account, its password reset and its link to Google; what else belongs to it is removed before, by those who own that. A
// token of it is good for nothing from then on, whoever takes the address next.
func (a *Accounts) Delete(ctx context.Context, u *User) error {
	current, revision, err := a.read(ctx, key(u.Email))
	if err != nil {
		return err
	}
	if current.ID != u.ID {
		return ErrUnknown
	}
	for _, subject := range tokenSubjects(key(u.Email)) {
		if err := a.resets.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("delete password reset: %w", err)
		}
	}
	// First of all, so that nobody is left with a link to an account that is gone: without it the account is still found
	// by its address, and whoever is not told of a success asks again.
	if err := a.dropGoogle(ctx, current); err != nil {
		return err
	}
	// What was read and nothing newer: the address may have a new account by now.
	if err := a.clear(ctx, key(u.Email), revision); err != nil {
		return fmt.Errorf("delete account: %w", err)
	}
	return a.dropGoogle(ctx, current) // Somebody may have signed in in between.
}

// same is change for an account that is known, and no other that has its address by now.
func (a *Accounts) same(ctx context.Context, u *User, alter func(*User) error) (*User, error) {
	return a.change(ctx, u.Email, func(now *User) error {
		if now.ID != u.ID {
			return ErrUnknown
		}
		return alter(now)
	})
}
