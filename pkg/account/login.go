package account

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Register creates an account. Its arguments must have passed CheckUsername, CheckEmail and CheckPassword. It returns
// ErrTaken, ErrBusy or ErrFull. It costs the hashing of a password and one acknowledged publish.
func (a *Accounts) Register(ctx context.Context, username, email, password string) (*User, error) {
	return a.register(ctx, username, email, password, false)
}

// RegisterUnverified is like Register, but the owner has yet to confirm the address.
func (a *Accounts) RegisterUnverified(ctx context.Context, username, email, password string) (*User, error) {
	return a.register(ctx, username, email, password, true)
}

func (a *Accounts) register(ctx context.Context, username, email, password string, unverified bool) (*User, error) {
	hashed, err := a.hasher.hash(ctx, password)
	if err != nil {
		return nil, err
	}
	u, err := a.newUser(strings.TrimSpace(username), email)
	if err != nil {
		return nil, err
	}
	u.Password, u.PasswordUpdatedAt, u.EmailUnverified = hashed, job.AtPtr(u.CreatedAt.Time), unverified
	return u, a.create(ctx, u)
}

// newUser returns a new account, which is not stored yet.
func (a *Accounts) newUser(username, email string) (*User, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make account ID: %w", err)
	}
	return &User{ID: id.String(), Username: username, Email: NormalizeEmail(email), CreatedAt: job.At(a.now()), IsActive: true}, nil
}

// Login returns the account with an address and a password and records the time. It rehashes a password whose hash is weaker
// than that of new passwords. It returns ErrCredentials, after the same time whether the address is known or not, ErrDisabled
// or ErrBusy.
func (a *Accounts) Login(ctx context.Context, email, password string) (*User, error) {
	verified, err := a.checkPassword(ctx, email, password)
	if err != nil {
		return nil, err
	}
	if !verified.IsActive {
		return nil, ErrDisabled
	}
	var stronger *Password
	if verified.weakerThan(a.hasher.parameters) {
		hashed, err := a.hasher.hash(ctx, password)
		if err != nil {
			return nil, err
		}
		stronger = &hashed
	}
	return a.change(ctx, keyOf(email), func(u *User) error {
		if u.ID != verified.ID || !u.IsActive || u.TokenVersion != verified.TokenVersion {
			return ErrCredentials // The password was changed meanwhile.
		}
		if stronger != nil && u.Password == verified.Password {
			u.Password = *stronger
		}
		u.LastLoginAt = job.AtPtr(a.now())
		return nil
	})
}

// checkPassword returns the account with an address and a password.
func (a *Accounts) checkPassword(ctx context.Context, email, password string) (*User, error) {
	u, _, err := a.read(ctx, keyOf(email))
	if err != nil && !errors.Is(err, ErrUnknown) {
		return nil, err
	}
	var stored Password
	if u != nil {
		stored = u.Password
	}
	matches, err := a.hasher.check(ctx, stored, password)
	if err != nil {
		return nil, err
	}
	if !matches {
		return nil, ErrCredentials
	}
	return u, nil
}

// Confirm checks the password of an account before an operation that a stolen token must not allow. It returns ErrCredentials
// for a wrong password. For an account without a password it returns ErrStale unless the session is Fresh.
func (a *Accounts) Confirm(ctx context.Context, u *User, s Session, password string) error {
	if !u.HasPassword() {
		if !a.Fresh(s) {
			return ErrStale
		}
		return nil
	}
	_, err := a.checkPassword(ctx, u.Email, password)
	return err
}

// ChangePassword replaces a password and revokes all tokens. It returns ErrCredentials when current is not the password, and
// for an account without one: only a reset, which proves the ownership of the address, adds a password.
func (a *Accounts) ChangePassword(ctx context.Context, u *User, current, next string) (*User, error) {
	verified, err := a.checkPassword(ctx, u.Email, current)
	if err != nil {
		return nil, err
	}
	hashed, err := a.hasher.hash(ctx, next)
	if err != nil {
		return nil, err
	}
	return a.update(ctx, u, func(stored *User) error {
		if stored.TokenVersion != verified.TokenVersion {
			return ErrCredentials
		}
		a.setPassword(stored, hashed)
		return nil
	})
}

// setPassword replaces a password, which revokes all session tokens and password resets.
func (a *Accounts) setPassword(u *User, hashed Password) {
	u.Password, u.PasswordUpdatedAt = hashed, job.AtPtr(a.now())
	u.revokeTokens()
}
