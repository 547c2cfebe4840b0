package account

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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
)

// claims are what a token says.
type claims struct {
	UserID  string `json:"userId"`
	Email   string `json:"email"`
	Version int    `json:"ver,omitempty"`
	jwt.RegisteredClaims
}

// Session is a token that was found good.
type Session struct {
	// Legacy says that the token is of the oldest format and should be replaced.
	Legacy  bool
	hash    string
	expires time.Time
}

// Token returns a new token for an account.
func (a *Accounts) Token(u *User) (string, error) {
	now := a.now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		UserID: u.ID, Email: u.Email, Version: u.TokenVersion,
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, ID: rand.Text(), IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(TokenAge)),
		},
	}).SignedString(a.secret)
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	return token, nil
}

// parse returns what a token says if it is good in itself: signed with our key by the one method, not expired, and not of
// another issuer. It fails with ErrToken.
func (a *Accounts) parse(token string) (*claims, Session, error) {
	if token == "" || len(token) > maxToken {
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
	// Without an issuer it is one of the system before, which the move has to keep.
	if (c.Issuer != "" && c.Issuer != issuer) || c.UserID == "" || c.Email == "" {
		return nil, Session{}, ErrToken
	}
	session.expires = c.ExpiresAt.Time
	return &c, session, nil
}

// tokenHash stands for a token where it is stored.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:16])
}

func (s Session) signedOut() SignedOut {
	return SignedOut{Token: s.hash, Until: job.At(s.expires.Add(time.Second))}
}
