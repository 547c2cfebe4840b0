package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// ResetAge is how long the link of a password reset can be used.
const ResetAge = 24 * time.Hour

// reset is a password reset as it is stored, one for an account: a later one takes the place of an earlier one.
type reset struct {
	V int `json:"v"`
	// Secret is the hash of what only the mail holds.
	Secret string `json:"secret"`
	UserID string `json:"userId"`
	// TokenVersion is the account's when the reset was asked for. A new password raises it and so ends the reset in the
	// same write.
	TokenVersion int      `json:"tokenVersion"`
	Expires      job.Time `json:"expires"`
}

// secretBytes is the length of what cannot be guessed of a reset.
const secretBytes = 32

// BeginReset returns the account of an address and a token with which its password can be set once. Every earlier token
// of the account ends. It fails with ErrUnknown, for a disabled account too.
func (a *Accounts) BeginReset(ctx context.Context, email string) (*User, string, error) {
	u, _, err := a.read(ctx, key(email))
	if err != nil {
		return nil, "", err
	}
	if !u.IsActive {
		return nil, "", ErrUnknown
	}
	token, err := a.storeToken(ctx, u, broker.ResetSubject(key(email)), ResetAge)
	return u, token, err
}

// storeToken makes a token of an account that can be used once and stores its hash under a subject. It fails with
// ErrUnknown when the account was deleted meanwhile.
func (a *Accounts) storeToken(ctx context.Context, u *User, subject string, age time.Duration) (string, error) {
	token := make([]byte, sha256.Size+secretBytes)
	if _, err := hex.Decode(token, []byte(key(u.Email))); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	if _, err := rand.Read(token[sha256.Size:]); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	data, err := json.Marshal(reset{
		V: job.Version, Secret: secretHash(token), UserID: u.ID, TokenVersion: u.TokenVersion, Expires: job.At(a.now().Add(age)),
	})
	if err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	ack, err := a.js.Publish(ctx, subject, data, jetstream.WithMsgTTL(age))
	if err != nil {
		return "", published(err)
	}
	if err := a.keepToken(ctx, u, subject, ack.Sequence); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(token), nil
}

// splitToken returns the bytes of a token and the key of the account that it is for.
func splitToken(token string) (raw []byte, key string, err error) {
	raw, err = base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) != sha256.Size+secretBytes {
		return nil, "", ErrReset
	}
	return raw, hex.EncodeToString(raw[:sha256.Size]), nil
}

// opens reports whether a token is the one that was stored, and still good.
func (r *reset) opens(token []byte, now time.Time) bool {
	return subtle.ConstantTimeCompare([]byte(r.Secret), []byte(secretHash(token))) == 1 && now.Before(r.Expires.Time)
}

// keepToken takes a token back that was stored for an account which was deleted meanwhile. It fails with ErrUnknown then.
func (a *Accounts) keepToken(ctx context.Context, u *User, subject string, sequence uint64) error {
	now, _, err := a.read(ctx, key(u.Email))
	if err == nil && now.ID == u.ID {
		return nil
	}
	if err != nil && !errors.Is(err, ErrUnknown) {
		return err
	}
	if err := a.resets.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(sequence+1)); err != nil {
		return fmt.Errorf("take a token back: %w", err)
	}
	return ErrUnknown
}

// secretHash is how the secret part of a token is stored.
func secretHash(token []byte) string {
	sum := sha256.Sum256(token[sha256.Size:])
	return hex.EncodeToString(sum[:])
}

// Reset sets the password of the account that a token was made for, and ends every token with which somebody is signed
// in, and the link to a Google account that was added to it. It fails with ErrReset and ErrBusy.
func (a *Accounts) Reset(ctx context.Context, token, password string) (*User, error) {
	raw, key, err := splitToken(token)
	if err != nil {
		return nil, err
	}
	r, sequence, err := a.readReset(ctx, broker.ResetSubject(key))
	if err != nil {
		return nil, err
	}
	if !r.opens(raw, a.now()) {
		return nil, ErrReset
	}
	hashed, err := a.hasher.hash(ctx, password)
	if err != nil {
		return nil, err
	}
	var before User
	u, _, err := a.read(ctx, key)
	if err == nil {
		u, err = a.change(ctx, u.Email, func(now *User) error {
			if now.ID != r.UserID || now.TokenVersion != r.TokenVersion || !now.IsActive {
				return ErrReset
			}
			before = *now
			a.setPassword(now, hashed)
			now.EmailUnverified = false // The token came by e-mail.
			// Whoever registered the address of somebody else may have linked a Google account of their own, which
			// would open the account for ever. One with which the account was made has shown to have the address.
			if now.AuthProvider != ProviderGoogle {
				now.GoogleInfo = nil
			}
			return nil
		})
	}
	if errors.Is(err, ErrUnknown) {
		return nil, ErrReset
	}
	if err != nil {
		return nil, err
	}
	if !u.HasGoogle() {
		_ = a.dropGoogle(ctx, &before) // It opens nothing any more, and neither does what follows.
	}
	// It is good for nothing any more, whether it can be removed or not.
	_ = a.resets.Purge(ctx, jetstream.WithPurgeSubject(broker.ResetSubject(key)), jetstream.WithPurgeSequence(sequence+1))
	return u, nil
}

// readReset returns the token that is stored under a subject and its sequence. It fails with ErrReset when there is none.
func (a *Accounts) readReset(ctx context.Context, subject string) (*reset, uint64, error) {
	msg, err := broker.LeaderLast(ctx, a.js, broker.ResetsStream, subject)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, 0, ErrReset
	case err != nil:
		return nil, 0, fmt.Errorf("read password reset: %w", err)
	case len(msg.Data) == 0:
		return nil, 0, ErrReset // The mark of one that has expired.
	}
	var r reset
	if err := json.Unmarshal(msg.Data, &r); err != nil {
		return nil, 0, errors.New("decode password reset: not a reset")
	}
	if r.V > job.Version {
		return nil, 0, fmt.Errorf("decode password reset: %w", job.ErrNewer)
	}
	return &r, msg.Sequence, nil
}
