package account

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
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
	u, _, err := a.read(ctx, keyOf(email))
	if err != nil {
		return nil, "", err
	}
	if !u.IsActive || u.EmailVerified() {
		return nil, "", ErrUnknown
	}
	token, err := a.createToken(ctx, u, broker.VerificationSubject(keyOf(email)), VerificationAge)
	return u, token, err
}

// VerifyEmail confirms the address of the account of a token. It returns ErrVerification when the token is invalid. It costs a
// handful of requests.
func (a *Accounts) VerifyEmail(ctx context.Context, token string) (*User, error) {
	var u *User
	t, err := a.findToken(ctx, token, broker.VerificationSubject)
	if err == nil {
		u, err = a.useToken(ctx, t, func(u *User) error {
			if u.EmailVerified() {
				return errNoToken
			}
			u.EmailUnverified = false
			return nil
		})
	}
	if errors.Is(err, errNoToken) {
		return nil, ErrVerification
	}
	return u, err
}
