package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// emailToken is the stored form of a token in an emailed link. An account has at most one for each purpose: a new one replaces
// the last.
type emailToken struct {
	V int `json:"v"`
	// Secret is the hash of the secret part of the token.
	Secret string `json:"secret"`
	UserID string `json:"userId"`
	// TokenVersion is that of the account when the token was created. A new password raises the account's TokenVersion, which
	// revokes a password reset in the same write.
	TokenVersion int      `json:"tokenVersion"`
	Expires      job.Time `json:"expires"`
}

// purpose is what an email token is used for.
type purpose struct {
	subject func(key string) string // subject of the token of an account
	age     time.Duration           // validity of a token
	invalid error                   // returned for a token that is unknown, expired, used or replaced by a newer one
}

var (
	passwordReset = &purpose{broker.ResetSubject, ResetAge, ErrReset}
	verification  = &purpose{broker.VerificationSubject, VerificationAge, ErrVerification}
)

// foundToken is a stored token that a request has presented.
type foundToken struct {
	emailToken
	*purpose
	key      string // key of the account
	revision uint64
}

// secretBytes is the length of the secret part of a token, which follows the key of the account.
const secretBytes = 32

// beginToken returns the account with an address and a new token of a purpose. It revokes all earlier tokens of the purpose. It
// returns ErrUnknown when there is no such account or it is disabled or not allowed to have such a token.
func (a *Accounts) beginToken(ctx context.Context, email string, p *purpose, allowed func(*User) bool) (*User, string, error) {
	u, _, err := a.read(ctx, keyOf(email))
	if err != nil {
		return nil, "", err
	}
	if !u.IsActive || !allowed(u) {
		return nil, "", ErrUnknown
	}
	token, err := a.createToken(ctx, u, p)
	return u, token, err
}

// createToken stores the hash of a new token of an account and returns the token. It returns ErrUnknown when the account was
// deleted meanwhile.
func (a *Accounts) createToken(ctx context.Context, u *User, p *purpose) (string, error) {
	subject := p.subject(keyOf(u.Email))
	token := make([]byte, sha256.Size+secretBytes)
	if _, err := hex.Decode(token, []byte(keyOf(u.Email))); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	_, _ = rand.Read(token[sha256.Size:]) // Never fails.
	revision, err := a.tokens.Put(ctx, subject, emailToken{
		V: job.Version, Secret: secretHash(token), UserID: u.ID, TokenVersion: u.TokenVersion, Expires: job.At(a.now().Add(p.age)),
	}, jetstream.WithMsgTTL(p.age))
	if err != nil {
		return "", err
	}
	stored, _, err := a.read(ctx, keyOf(u.Email))
	switch {
	case errors.Is(err, ErrUnknown), err == nil && stored.ID != u.ID:
		// The deletion may have removed the tokens before this one was stored.
		if err := a.tokens.PurgeRevision(ctx, subject, revision); err != nil {
			return "", err
		}
		return "", ErrUnknown
	case err != nil:
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(token), nil
}

// findToken returns the stored token that a request presents, or p.invalid.
func (a *Accounts) findToken(ctx context.Context, token string, p *purpose) (*foundToken, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != sha256.Size+secretBytes {
		return nil, p.invalid
	}
	key := hex.EncodeToString(raw[:sha256.Size])
	e, err := a.tokens.Get(ctx, p.subject(key))
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return nil, p.invalid
	case err != nil:
		return nil, err
	case subtle.ConstantTimeCompare([]byte(e.Value.Secret), []byte(secretHash(raw))) != 1 || !a.now().Before(e.Value.Expires.Time):
		return nil, p.invalid
	}
	return &foundToken{e.Value, p, key, e.Revision}, nil
}

// useToken edits the account of a token and removes the token. It returns t.invalid when the account no longer exists.
func (a *Accounts) useToken(ctx context.Context, t *foundToken, edit func(*User) error) (*User, error) {
	u, err := a.change(ctx, t.key, func(u *User) error {
		if u.ID != t.UserID {
			return t.invalid
		}
		return edit(u)
	})
	if errors.Is(err, ErrUnknown) {
		return nil, t.invalid
	}
	if err != nil {
		return nil, err
	}
	// If this fails, the token expires; the edit has already made it invalid.
	_ = a.tokens.PurgeRevision(ctx, t.subject(t.key), t.revision)
	return u, nil
}

// secretHash returns the stored form of the secret part of a token.
func secretHash(token []byte) string { return hexHash(string(token[sha256.Size:])) }

// tokenSubjects returns the subjects of the email tokens of an account.
func tokenSubjects(key string) []string {
	return []string{passwordReset.subject(key), verification.subject(key)}
}
