package account

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// ResetAge is for how long the link of a password reset is valid.
const ResetAge = 24 * time.Hour

// ErrReset is returned for a password reset that is unknown, expired, used or replaced by a later one.
var ErrReset = errors.New("the password reset is not valid any more")

// BeginReset returns the account with an address and a token with which its password can be set once. Every earlier reset
// token of the account is revoked. It fails with ErrUnknown, for a disabled account too.
func (a *Accounts) BeginReset(ctx context.Context, email string) (*User, string, error) {
	u, _, err := a.read(ctx, keyOf(email))
	if err != nil {
		return nil, "", err
	}
	if !u.IsActive {
		return nil, "", ErrUnknown
	}
	token, err := a.createToken(ctx, u, broker.ResetSubject(keyOf(email)), ResetAge)
	return u, token, err
}

// Reset sets the password of the account that a token was made for, and revokes every session token and the link to a Google
// account that was added later. It fails with ErrReset and ErrBusy.
func (a *Accounts) Reset(ctx context.Context, token, password string) (*User, error) {
	t, err := a.findToken(ctx, token, broker.ResetSubject)
	if errors.Is(err, errNoToken) {
		return nil, ErrReset
	}
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
			return errNoToken
		}
		before = *u
		a.setPassword(u, hashed)
		u.EmailUnverified = false // The token came by e-mail.
		// Somebody who registered the address of another person may have linked a Google account of their own, which would
		// open the account for ever. The Google account with which an account was created has proved to own the address.
		if u.AuthProvider != ProviderGoogle {
			u.GoogleInfo = nil
		}
		return nil
	})
	if errors.Is(err, errNoToken) {
		return nil, ErrReset
	}
	if err != nil {
		return nil, err
	}
	if !u.HasGoogle() {
		_ = a.removeGoogleLink(ctx, &before) // It opens nothing any more, whether it can be removed or not.
	}
	return u, nil
}
