package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// TokenAge is for how long a token is valid.
	TokenAge = 7 * 24 * time.Hour
	// issuer is in every token of ours. Those of the old system have none.
	issuer = "text2image-audio"
	// maxToken bounds the tokens that are parsed, in bytes.
	maxToken = 4096
	// maxTokenAge is longer than any token was ever valid.
	maxTokenAge = 366 * 24 * time.Hour
)

// claims are the claims of a token.
type claims struct {
	UserID  string `json:"userId"`
	Email   string `json:"email"`
	Version int    `json:"ver,omitempty"`
	// Issuer takes the place of the embedded one, which cannot tell an empty issuer from none.
	Issuer *string `json:"iss,omitempty"`
	// SignedIn is when the user proved their identity; a token that replaced another one does not have it.
	SignedIn *jwt.NumericDate `json:"auth_time,omitempty"`
	jwt.RegisteredClaims
}

// ours reports whether a token was issued by us or by the old system, which named no issuer, and for no other audience.
func (c *claims) ours() bool {
	return (c.Issuer == nil || *c.Issuer == issuer) && len(c.Audience) == 0
}

// Session is a valid token.
type Session struct {
	// Legacy says that the token is of the oldest format and should be replaced.
	Legacy   bool
	hash     string
	expires  time.Time
	signedIn time.Time
}

// FreshAge is for how long after signing in a user may do what a stolen token must not allow.
const FreshAge = 10 * time.Minute

// Fresh reports whether the user of a session has signed in within FreshAge.
func (a *Accounts) Fresh(s Session) bool {
	age := a.now().Sub(s.signedIn)
	return !s.signedIn.IsZero() && age < FreshAge
}

// Token returns a new token for a user who has just proved their identity.
func (a *Accounts) Token(u *User) (string, error) { return a.issue(u, jwt.NewNumericDate(a.now())) }

// Renew returns a new token in place of an earlier one. It is not Fresh.
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

// parse returns the claims of a token if it is signed with our key by HS256, has not expired, and is neither of another issuer
// nor for another audience. It fails with ErrToken.
func (a *Accounts) parse(token string) (*claims, Session, error) {
	// Base64 decoders skip line breaks; with them one token could be written in many ways.
	if token == "" || len(token) > maxToken || strings.ContainsAny(token, "\r\n") {
		return nil, Session{}, ErrToken
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
	// What other issuers meant by it is not known.
	if c.SignedIn != nil && c.Issuer != nil {
		session.signedIn = c.SignedIn.Time
	}
	return &c, session, nil
}

// tokenHash identifies a token where it is stored. It leaves out the signature, which can be written in several ways in the
// oldest format.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token[:max(0, strings.LastIndexByte(token, '.'))]))
	return hex.EncodeToString(sum[:16])
}

func (s Session) signedOut() SignedOut {
	return SignedOut{Token: s.hash, Until: job.At(s.expires.Add(time.Second))}
}

// Identify returns the account that a token belongs to. It fails with ErrToken, ErrDisabled and ErrUnknown. It costs one
// request.
func (a *Accounts) Identify(ctx context.Context, token string) (*User, Session, error) {
	c, session, err := a.parse(token)
	if err != nil {
		return nil, Session{}, err
	}
	u, _, err := a.read(ctx, keyOf(c.Email))
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

// SignOut revokes the token of a session, or with everywhere all tokens of the account.
func (a *Accounts) SignOut(ctx context.Context, u *User, s Session, everywhere bool) error {
	_, err := a.update(ctx, u, func(stored *User) error {
		if everywhere {
			stored.revokeTokens()
		} else {
			stored.signOut(s.signedOut(), a.now())
		}
		return nil
	})
	return err
}
