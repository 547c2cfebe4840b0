package account

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// VerificationAge is how long the link that confirms an e-mail address can be used.
const VerificationAge = 24 * time.Hour

// ErrVerification is returned for a confirmation of an address that is unknown, expired, used or replaced by a later one.
var ErrVerification = errors.New("the confirmation of the address is not valid any more")

// EmailVerified reports whether the owner of an account has shown to have its address, or need not: accounts that were made
// with Google, were imported or were made while nobody asked for it count as verified.
func (u *User) EmailVerified() bool { return !u.EmailUnverified }

// RegisterUnverified is Register for an account whose owner has yet to confirm the address.
func (a *Accounts) RegisterUnverified(ctx context.Context, username, email, password string) (*User, error) {
	return a.register(ctx, username, email, password, true)
}

// BeginVerification returns the account of an address and a token that confirms the address once. Every earlier token of
// the account ends. It fails with ErrUnknown, for a disabled account and one whose address is confirmed as well.
func (a *Accounts) BeginVerification(ctx context.Context, email string) (*User, string, error) {
	u, _, err := a.read(ctx, key(email))
	if err != nil {
		return nil, "", err
	}
	if !u.IsActive || u.EmailVerified() {
		return nil, "", ErrUnknown
	}
	token, err := a.storeToken(ctx, u, broker.VerificationSubject(key(email)), VerificationAge)
	return u, token, err
}

// VerifyEmail confirms the address of the account that a token was made for. It fails with ErrVerification. It costs a
// handful of requests.
func (a *Accounts) VerifyEmail(ctx context.Context, token string) (*User, error) {
	raw, key, err := splitToken(token)
	if err != nil {
		return nil, ErrVerification
	}
	subject := broker.VerificationSubject(key)
	r, sequence, err := a.readReset(ctx, subject)
	if errors.Is(err, ErrReset) {
		return nil, ErrVerification
	}
	if err != nil {
		return nil, err
	}
	if !r.opens(raw, a.now()) {
		return nil, ErrVerification
	}
	u, _, err := a.read(ctx, key)
	if err == nil {
		u, err = a.change(ctx, u.Email, func(now *User) error {
			if now.ID != r.UserID || now.EmailVerified() {
				return ErrVerification
			}
			now.EmailUnverified = false
			return nil
		})
	}
	if errors.Is(err, ErrUnknown) {
		return nil, ErrVerification
	}
	if err != nil {
		return nil, err
	}
	// It is good for nothing any more, whether it can be removed or not.
	_ = a.resets.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(sequence+1))
	return u, nil
}
