package google

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// maxIDToken bounds what is parsed; Google's have about 1200 characters.
	maxIDToken = 8 << 10
	// skew is by how much Google's clock may be ahead.
	skew = 2 * time.Minute
	// maxSubject is the longest name of a Google account.
	maxSubject = 255
)

// Identity is who signed in at Google, as an id_token says that was found good.
type Identity struct {
	// Subject names the Google account, and never changes.
	Subject string
	Email   string
	// Verified says that Google has seen that the address is the account's.
	Verified              bool
	Name, Picture, Locale string
	// Nonce is what the token was bound to, "" when to nothing.
	Nonce string
	// Token stands for the token, which is good until Expires.
	Token   string
	Expires time.Time
}

// Verify returns who an id_token speaks of that a page brought from Google by itself. A token that is bound to a nonce is
// good only with that one; one that is bound to none proves no more with a nonce than without. It fails with an *Error. It costs a request when Google's
// keys are not known yet, or have changed.
func (c *Client) Verify(ctx context.Context, raw, nonce string) (*Identity, error) {
	e, err := c.discover(ctx)
	if err != nil {
		return nil, err
	}
	return c.verify(ctx, e, raw, "", func(bound string) bool { return bound == "" || same(bound, nonce) })
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// claims are what an id_token says beside what go-oidc looks at.
type claims struct {
	Party    string `json:"azp"`
	Email    string `json:"email"`
	Verified yes    `json:"email_verified"`
	Name     string `json:"name"`
	Picture  string `json:"picture"`
	Locale   string `json:"locale"`
}

// yes is a truth that older tokens spell as a text.
type yes bool

// UnmarshalJSON takes true and "true"; anything else is not true.
func (y *yes) UnmarshalJSON(b []byte) error {
	*y = string(b) == "true" || string(b) == `"true"`
	return nil
}

// verify holds a token against everything that OpenID Connect and Google's guide ask for. access is the access token that
// came with it, if one did, and nonce says whether the one is right that it is bound to.
func (c *Client) verify(ctx context.Context, e *endpoints, raw, access string, nonce func(string) bool) (*Identity, error) {
	if raw == "" || len(raw) > maxIDToken {
		return nil, badToken("missing or too long")
	}
	signer := &signer{keys: c.keys, address: e.keys}
	// The issuer is looked at below, since go-oidc knows both spellings of Google's alone.
	verifier := oidc.NewVerifier(c.cfg.Issuer, signer, &oidc.Config{
		ClientID: c.cfg.ClientID, SupportedSigningAlgs: []string{oidc.RS256}, SkipIssuerCheck: true, Now: c.now,
	})
	token, err := verifier.Verify(ctx, raw)
	if signer.failed != nil {
		return nil, asError(signer.failed, "the keys cannot be fetched")
	}
	if err != nil {
		return nil, badToken(reasonOf(err))
	}
	var more claims
	if err := token.Claims(&more); err != nil {
		return nil, badToken("its claims cannot be read")
	}
	_, short, _ := strings.Cut(c.cfg.Issuer, "://")
	switch {
	case token.Issuer != c.cfg.Issuer && token.Issuer != short:
		return nil, badToken("another issuer")
	case more.Party != "" && more.Party != c.cfg.ClientID, more.Party == "" && len(token.Audience) > 1:
		return nil, badToken("another authorized party")
	case token.IssuedAt.IsZero() || token.IssuedAt.Unix() <= 0 || token.IssuedAt.After(c.now().Add(skew)):
		return nil, badToken("issued in the future")
	case !nonce(token.Nonce):
		return nil, badToken("another nonce")
	case access != "" && token.AccessTokenHash != "" && token.VerifyAccessToken(access) != nil:
		return nil, badToken("another access token")
	case token.Subject == "" || len(token.Subject) > maxSubject:
		return nil, badToken("no subject")
	}
	return &Identity{
		Subject: token.Subject, Email: more.Email, Verified: bool(more.Verified), Name: more.Name, Picture: more.Picture, Locale: more.Locale,
		Nonce: token.Nonce, Token: fingerprint(raw), Expires: token.Expiry,
	}, nil
}

// reasonOf says why go-oidc refused a token, without a word of the token's.
func reasonOf(err error) string {
	if _, is := errors.AsType[*oidc.TokenExpiredError](err); is {
		return "expired"
	}
	for part, reason := range map[string]string{"audience": "another audience", "not before": "not good yet", "signature": "a bad signature", "malformed jwt": "not a token signed with RS256"} {
		if strings.Contains(err.Error(), part) {
			return reason
		}
	}
	return "cannot be read"
}

// fingerprint stands for a token wherever it is remembered. The signature is left out: the same one can be spelled in
// several ways.
func fingerprint(raw string) string {
	signed, _, _ := cutLast(raw, ".")
	sum := sha256.Sum256([]byte(signed))
	return hex.EncodeToString(sum[:])
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// signer looks at one token's signature, and keeps what kept it from that.
type signer struct {
	keys    *keys
	address string
	failed  error
}

// VerifySignature is part of oidc.KeySet.
func (s *signer) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, errors.New("a bad signature")
	}
	key, err := s.keys.find(ctx, s.address, jws.Signatures[0].Header.KeyID)
	if err != nil {
		s.failed = err
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, errors.New("a bad signature")
	}
	if !json.Valid(payload) {
		return nil, errors.New("no JSON")
	}
	return payload, nil
}
