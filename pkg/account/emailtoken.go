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

// emailToken is the token in the link of an e-mail as it is stored, one of each purpose for an account: a later one replaces
// an earlier one.
type emailToken struct {
	V int `json:"v"`
	// Secret is the hash of what only the e-mail holds.
	Secret string `json:"secret"`
	UserID string `json:"userId"`
	// TokenVersion is the account's when the token was made. A new password raises it and so revokes a password reset in the
	// same write.
	TokenVersion int      `json:"tokenVersion"`
	Expires      job.Time `json:"expires"`
}

func (t *emailToken) check() error {
	if t.V > job.Version {
		return job.ErrNewer
	}
	return nil
}

// foundToken is a stored token that a request has presented.
type foundToken struct {
	emailToken
	// key is that of the account.
	key      string
	subject  string
	revision uint64
}

// secretBytes is the length of the part of a token that cannot be guessed. The key of the account stands before it.
const secretBytes = 32

// errNoToken is returned for a token that is unknown, expired, used or replaced by a later one.
var errNoToken = errors.New("no such e-mail token")

// createToken stores the hash of a new token of an account under a subject and returns the token. It fails with ErrUnknown
// when the account was deleted meanwhile.
func (a *Accounts) createToken(ctx context.Context, u *User, subject string, age time.Duration) (string, error) {
	token := make([]byte, sha256.Size+secretBytes)
	if _, err := hex.Decode(token, []byte(keyOf(u.Email))); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	if _, err := rand.Read(token[sha256.Size:]); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	revision, err := a.tokens.Put(ctx, subject, emailToken{
		V: job.Version, Secret: secretHash(token), UserID: u.ID, TokenVersion: u.TokenVersion, Expires: job.At(a.now().Add(age)),
	}, jetstream.WithMsgTTL(age))
	if err != nil {
		return "", err
	}
	stored, _, err := a.read(ctx, keyOf(u.Email))
	switch {
	case errors.Is(err, ErrUnknown), err == nil && stored.ID != u.ID:
		// The deletion may have looked for tokens before this one was stored.
		if err := a.tokens.PurgeRevision(ctx, subject, revision); err != nil {
			return "", err
		}
		return "", ErrUnknown
	case err != nil:
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(token), nil
}

// findToken returns the stored token that a request presents, if it is valid. subject returns where tokens of the purpose
// are stored for the key of an account. It fails with errNoToken.
func (a *Accounts) findToken(ctx context.Context, token string, subject func(key string) string) (*foundToken, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != sha256.Size+secretBytes {
		return nil, errNoToken
	}
	key := hex.EncodeToString(raw[:sha256.Size])
	e, err := a.tokens.Get(ctx, subject(key))
	switch {
	case errors.Is(err, kv.ErrNotFound):
		return nil, errNoToken
	case err != nil:
		return nil, err
	case subtle.ConstantTimeCompare([]byte(e.Value.Secret), []byte(secretHash(raw))) != 1 || !a.now().Before(e.Value.Expires.Time):
		return nil, errNoToken
	}
	return &foundToken{emailToken: e.Value, key: key, subject: e.Key, revision: e.Revision}, nil
}

// useToken edits the account of a token and removes the token. It fails with errNoToken when the account is gone.
func (a *Accounts) useToken(ctx context.Context, t *foundToken, edit func(*User) error) (*User, error) {
	u, err := a.change(ctx, t.key, func(u *User) error {
		if u.ID != t.UserID {
			return errNoToken
		}
		return edit(u)
	})
	if errors.Is(err, ErrUnknown) {
		return nil, errNoToken
	}
	if err != nil {
		return nil, err
	}
	// The edit has made it invalid, whether it can be removed or not.
	_ = a.tokens.PurgeRevision(ctx, t.subject, t.revision)
	return u, nil
}

// secretHash is how the secret part of a token is stored.
func secretHash(token []byte) string {
	sum := sha256.Sum256(token[sha256.Size:])
	return hex.EncodeToString(sum[:])
}

// tokenSubjects returns where tokens are stored that were e-mailed to the address of an account.
func tokenSubjects(key string) []string {
	return []string{broker.ResetSubject(key), broker.VerificationSubject(key)}
}
