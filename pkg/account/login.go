package account

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// Register creates an account. Its arguments must have passed CheckUsername, CheckEmail and CheckPassword. It fails with
// ErrTaken, ErrBusy and ErrFull. It costs the hashing of a password and one acknowledged publish.
func (a *Accounts) Register(ctx context.Context, username, email, password string) (*User, error) {
	return a.register(ctx, username, email, password, false)
}

// RegisterUnverified is Register for an account whose owner has yet to confirm the address.
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

// newUser returns an account with a new ID, which is not stored yet.
func (a *Accounts) newUser(username, email string) (*User, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make account ID: %w", err)
	}
	return &User{ID: id.String(), Username: username, Email: NormalizeEmail(email), CreatedAt: job.At(a.now()), IsActive: true}, nil
}

// Login returns the account with an address and a password, and records the time. A password that is stored in a weaker
// form than new ones is hashed again. It fails with ErrCredentials, after the same time whether the address is known or not,
// with ErrDisabled and with ErrBusy.
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
			return ErrCredentials // Somebody changed the password in between.
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

// Confirm checks the password of an account before something that a stolen token must not allow. It fails with
// ErrCredentials. For an account without a password it fails with ErrStale unless the session is Fresh.
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

// ChangePassword replaces a password and revokes every token. It fails with ErrCredentials when current is not the password,
// also for an account without one: that gets a password only by a reset, which proves the address.
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

// setPassword replaces a password, which revokes every session token and every password reset.
func (a *Accounts) setPassword(u *User, hashed Password) {
	u.Password, u.PasswordUpdatedAt = hashed, job.AtPtr(a.now())
	u.revokeTokens()
}
