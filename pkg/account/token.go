package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

const (
	// TokenAge is how long a token holds.
	TokenAge = 7 * 24 * time.Hour
	// issuer is in every token of ours. Those of the system before have none.
	issuer = "text2image-audio"
	// maxToken bounds what is parsed.
	maxToken = 4096
	// maxTokenAge is more than anybody has ever issued a token for.
	maxTokenAge = 366 * 24 * time.Hour
)

// claims are what a token says.
type claims struct {
	UserID  string `json:"userId"`
	Email   string `json:"email"`
	Version int    `json:"ver,omitempty"`
	// Issuer takes the place of the embedded one, which cannot tell an empty issuer from none.
	Issuer *string `json:"iss,omitempty"`
	// SignedIn is when the person proved who it is; no token has it that was issued in exchange for another one.
	SignedIn *jwt.NumericDate `json:"auth_time,omitempty"`
	jwt.RegisteredClaims
}

// ours reports whether the claims are made by us or by the system before, which named no issuer, and for nobody else.
func (c *claims) ours() bool {
	return (c.Issuer == nil || *c.Issuer == issuer) && len(c.Audience) == 0
}

// Session is a token that was found good.
type Session struct {
	// Legacy says that the token is of the oldest format and should be replaced.
	Legacy   bool
	hash     string
	expires  time.Time
	signedIn time.Time
}

// FreshAge is for how long somebody who has signed in may do what a stolen token shall not be good for.
const FreshAge = 10 * time.Minute

// Fresh reports whether the person of a session has signed in a moment ago.
func (a *Accounts) Fresh(s Session) bool {
	age := a.now().Sub(s.signedIn)
	return !s.signedIn.IsZero() && age < FreshAge
}

// Token returns a new token for somebody who has just proved to be the owner of an account.
func (a *Accounts) Token(u *User) (string, error) { return a.issue(u, jwt.NewNumericDate(a.now())) }

// Renew returns a new token in place of one of before, which proves no more than that did.
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

// parse returns what a token says if it is good in itself: signed with our key by the one method, not expired, and
// neither of another issuer nor for anybody else. It fails with ErrToken.
func (a *Accounts) parse(token string) (*claims, Session, error) {
	// Decoders of base64 pass over line breaks; with them one token could be written in many ways.
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
	// Of others it is not known what they meant by it.
	if c.SignedIn != nil && c.Issuer != nil {
		session.signedIn = c.SignedIn.Time
	}
	return &c, session, nil
}

// tokenHash stands for a token where it is stored. It is made of what is signed, and not of the signature, which the
// oldest format lets be written in several ways.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token[:max(0, strings.LastIndexByte(token, '.'))]))
	return hex.EncodeToString(sum[:16])
}

func (s Session) signedOut() SignedOut {
	return SignedOut{Token: s.hash, Until: job.At(s.expires.Add(time.Second))}
}
