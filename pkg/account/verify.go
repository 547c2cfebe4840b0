package account

import (
	"context"
	"errors"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// VerificationAge is how long the link that confirms an e-mail address stays valid.
const VerificationAge = 24 * time.Hour

// ErrVerification is returned for a confirmation of an address that is unknown, expired, used or replaced by a later one.
var ErrVerification = errors.New("the confirmation of the address is not valid any more")

// EmailVerified reports whether the owner of an account has confirmed its address or need not: accounts that were created
// with Google, imported or created without a confirmation being required count as verified.
func (u *User) EmailVerified() bool { return !u.EmailUnverified }

// BeginVerification returns the account with an address and a token that confirms the address once. Every earlier
// verification token of the account is revoked. It fails with ErrUnknown, also for an account that is disabled or verified.
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

// VerifyEmail confirms the address of the account that a token was made for. It fails with ErrVerification. It costs a
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
