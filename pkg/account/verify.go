package account

import (
	"context"
	"errors"
	"time"
)

// VerificationAge is how long a verification is valid.
const VerificationAge = 24 * time.Hour

// ErrVerification is returned for a verification of an address that is unknown, expired, used or replaced by a newer one.
var ErrVerification = errors.New("the verification is no longer valid")

// EmailVerified reports whether the owner of an account has confirmed its address or need not: accounts that were imported or
// created with Google or without a required verification count as verified.
func (u *User) EmailVerified() bool { return !u.EmailUnverified }

// BeginVerification returns the account with an address and a new token that confirms the address once. It revokes all earlier
// verification tokens of the account. It returns ErrUnknown when there is no such account or it is disabled or verified.
func (a *Accounts) BeginVerification(ctx context.Context, email string) (*User, string, error) {
	return a.beginToken(ctx, email, verification, func(u *User) bool { return !u.EmailVerified() })
}

// VerifyEmail confirms the address of the account of a token. It returns ErrVerification when the token is invalid. It costs a
// handful of requests.
func (a *Accounts) VerifyEmail(ctx context.Context, token string) (*User, error) {
	t, err := a.findToken(ctx, token, verification)
	if err != nil {
		return nil, err
	}
	return a.useToken(ctx, t, func(u *User) error {
		if u.EmailVerified() {
			return ErrVerification
		}
		u.EmailUnverified = false
		return nil
	})
}
