package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// TokenAge is how long a token is valid.
	TokenAge = 7 * 24 * time.Hour
	// issuer is the issuer of our tokens. Tokens of the Cloudflare system have none.
	issuer = "text2image-audio"
	// maxToken bounds the tokens that are parsed, in bytes.
	maxToken = 4096
	// maxTokenAge bounds the remaining validity of a token. No issuer exceeded it.
	maxTokenAge = 366 * 24 * time.Hour
)

// claims are the claims of a token.
type claims struct {
	UserID  string `json:"userId"`
	Email   string `json:"email"`
	Version int    `json:"ver,omitempty"`
	// Issuer replaces the embedded field, which does not distinguish an empty issuer from a missing one.
	Issuer *string `json:"iss,omitempty"`
	// SignedIn is when the user signed in. A renewed token does not have it.
	SignedIn *jwt.NumericDate `json:"auth_time,omitempty"`
	jwt.RegisteredClaims
}

// ours reports whether a token was issued by this system or, without an issuer, by the Cloudflare system, and has no audience.
func (c *claims) ours() bool {
	return (c.Issuer == nil || *c.Issuer == issuer) && len(c.Audience) == 0
}

// Session is a valid token.
type Session struct {
	// Legacy reports that the token has the oldest format and should be renewed.
	Legacy   bool
	hash     string
	expires  time.Time
	signedIn time.Time
}

// FreshAge is how long after signing in a session is Fresh.
const FreshAge = 10 * time.Minute

// Fresh reports whether the user of a session signed in within the last FreshAge.
func (a *Accounts) Fresh(s Session) bool {
	age := a.now().Sub(s.signedIn)
	return !s.signedIn.IsZero() && age < FreshAge
}

// Token returns a new token for a user who has just signed in.
func (a *Accounts) Token(u *User) (string, error) { return a.issue(u, jwt.NewNumericDate(a.now())) }

// Renew returns a new token that replaces an earlier one. Its session is not Fresh.
func (a *Accounts) Renew(u *User) (string, error) { return a.issue(u, nil) }

func (a *Accounts) issue(u *User, signedIn *jwt.NumericDate) (string, error) {
	now, by := a.now(), issuer
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		UserID: u.ID, Email: u.Email, Version: u.TokenVersion, SignedIn: signedIn, Issuer: &by,
		RegisteredClaims: jwt.RegisteredClaims{
			ID: rand.Text(), IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(TokenAge)),
		},
	}).SignedString(a.secret)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// parse returns the claims of a token, or ErrToken unless it is signed with our key by HS256, has not expired, and has neither
// another issuer nor an audience.
func (a *Accounts) parse(token string) (*claims, Session, error) {
	// Base64 decoders skip line breaks, which would allow several spellings of one token.
	if token == "" || len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return nil, Session{}, ErrToken
	}
	hash := sha256.Sum256([]byte(token))
	if t, ok := a.verified.get(hash, a.now()); ok {
		return t.claims, t.session, nil
	}
	session := Session{hash: tokenHash(token)}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired(), jwt.WithTimeFunc(a.now),
		jwt.WithStrictDecoding(),
	)
	var c claims
	_, err := parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return a.secret, nil })
	if err != nil {
		old, ok := a.parseLegacy(token)
		if !ok {
			return nil, Session{}, ErrToken
		}
		c, session.Legacy = *old, true
	}
	if !c.ours() || c.UserID == "" || c.Email == "" || c.ExpiresAt.After(a.now().Add(maxTokenAge)) {
		return nil, Session{}, ErrToken
	}
	session.expires = c.ExpiresAt.Time
	// Its meaning in tokens of the Cloudflare system is unknown.
	if c.SignedIn != nil && c.Issuer != nil {
		session.signedIn = c.SignedIn.Time
	}
	a.verified.put(hash, verifiedToken{&c, session})
	return &c, session, nil
}

// tokenHash returns a hash that identifies a token. It excludes the signature, which has several spellings in the oldest
// format.
func tokenHash(token string) string {
	return hexHash(token[:max(0, strings.LastIndexByte(token, '.'))])[:32]
}

// Identify returns the account and the session of a token. It returns ErrToken, ErrDisabled or ErrUnknown. It costs at most one
// request. A token that this process has revoked is never valid again; where NATS runs in it, what another process has revoked may
// be for up to a second.
func (a *Accounts) Identify(ctx context.Context, token string) (*User, Session, error) {
	c, session, err := a.parse(token)
	if err != nil {
		return nil, Session{}, err
	}
	u, err := a.readRecent(ctx, keyOf(c.Email))
	if err != nil {
		return nil, Session{}, err
	}
	switch {
	case u.ID != c.UserID:
		return nil, Session{}, ErrUnknown
	case !u.IsActive:
		return nil, Session{}, ErrDisabled
	case c.Version != u.TokenVersion || slices.ContainsFunc(u.SignedOut, func(s SignedOut) bool { return s.Token == session.hash }):
		return nil, Session{}, ErrToken
	}
	return u, session, nil
}

// Find returns the active account with a key, as Key returns it, and an ID. It returns ErrDisabled or ErrUnknown. It reads as Identify
// does.
func (a *Accounts) Find(ctx context.Context, key, id string) (*User, error) {
	u, err := a.readRecent(ctx, key)
	switch {
	case err != nil:
		return nil, err
	case u.ID != id:
		return nil, ErrUnknown
	case !u.IsActive:
		return nil, ErrDisabled
	}
	return u, nil
}

// SignOut revokes the token of a session or, if everywhere is set, all tokens of the account.
func (a *Accounts) SignOut(ctx context.Context, u *User, s Session, everywhere bool) error {
	_, err := a.update(ctx, u, func(stored *User) error {
		if everywhere {
			stored.revokeTokens()
		} else {
			stored.signOut(SignedOut{Token: s.hash, Until: job.At(s.expires.Add(time.Second))}, a.now())
		}
		return nil
	})
	return err
}
