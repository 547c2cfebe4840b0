package account

import (
	"context"
	"errors"
	"time"
)

// ResetAge is how long a password reset is valid.
const ResetAge = 24 * time.Hour

// ErrReset is returned for a password reset that is unknown, expired, used or replaced by a newer one.
var ErrReset = errors.New("the password reset is no longer valid")

// BeginReset returns the account with an address and a new token with which its password can be set once. It revokes all
// earlier reset tokens of the account. It returns ErrUnknown when there is no such account or it is disabled.
func (a *Accounts) BeginReset(ctx context.Context, email string) (*User, string, error) {
	return a.beginToken(ctx, email, passwordReset, func(*User) bool { return true })
}

// Reset sets the password of the account of a token. It revokes all session tokens, and removes the link to a Google account
// unless the account was created with Google. It returns ErrReset or ErrBusy.
func (a *Accounts) Reset(ctx context.Context, token, password string) (*User, error) {
	t, err := a.findToken(ctx, token, passwordReset)
	if err != nil {
		return nil, err
	}
	hashed, err := a.hasher.hash(ctx, password)
	if err != nil {
		return nil, err
	}
	var before User
	u, err := a.useToken(ctx, t, func(u *User) error {
		if u.TokenVersion != t.TokenVersion || !u.IsActive {
			return ErrReset
		}
		before = *u
		a.setPassword(u, hashed)
		u.EmailUnverified = false // The token was received by email.
		// An attacker who registered somebody else's address may have linked a Google account, which would keep access after
		// the reset. Only the Google account that an account was created with has proved that it owns the address.
		if u.AuthProvider != ProviderGoogle {
			u.GoogleInfo = nil
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !u.HasGoogle() {
		_ = a.removeGoogleLink(ctx, &before) // A link that is left over is invalid.
	}
	return u, nil
}
