package google

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

const (
	// maxIDToken bounds the tokens that are parsed, in bytes; Google's have about 1200.
	maxIDToken = 8 << 10
	// skew is how far Google's clock may be ahead of ours for iat.
	skew = 2 * time.Minute
	// notBeforeLeeway is how far Google's clock may be ahead of ours for nbf.
	notBeforeLeeway = 5 * time.Minute
	// maxSubject is the maximum length of the ID of a Google account.
	maxSubject = 255
)

// Identity is the identity in a valid ID token.
type Identity struct {
	// Subject is the ID of the Google account, which never changes.
	Subject string
	Email   string
	// Verified reports whether Google has verified the address.
	Verified              bool
	Name, Picture, Locale string
	// Nonce is the nonce of the token, "" when it has none.
	Nonce string
	// Token is a hash of the token, which is valid until Expires.
	Token   string
	Expires time.Time
}

// Verify returns the identity in an ID token that a page has obtained from Google. A token with a nonce is valid only with that
// nonce; for a token without one, nonce is ignored. It returns an *Error. It costs a request when Google's keys are unknown or
// have changed.
func (c *Client) Verify(ctx context.Context, raw, nonce string) (*Identity, error) {
	e, err := c.discover(ctx)
	if err != nil {
		return nil, err
	}
	return c.verify(ctx, e, raw, "", func(bound string) bool { return bound == "" || same(bound, nonce) })
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// claims holds the claims of an ID token that go-oidc does not decode.
type claims struct {
	Party     string      `json:"azp"`
	NotBefore numericDate `json:"nbf"`
	Email     string      `json:"email"`
	Verified  laxBool     `json:"email_verified"`
	Name      string      `json:"name"`
	Picture   string      `json:"picture"`
	Locale    string      `json:"locale"`
}

// numericDate is a time in seconds since 1970, possibly with a fraction; 0 if absent.
type numericDate float64

// UnmarshalJSON accepts a number, also as a string, as go-oidc does.
func (d *numericDate) UnmarshalJSON(b []byte) error {
	var n json.Number
	if err := json.Unmarshal(b, &n); err != nil || n == "" {
		return err
	}
	seconds, err := n.Float64()
	*d = numericDate(seconds)
	return err
}

func (d numericDate) after(t time.Time) bool { return float64(d) > float64(t.Unix()) }

// laxBool is a boolean, which older tokens encode as a string.
type laxBool bool

// UnmarshalJSON decodes true and "true" as true, and anything else as false.
func (l *laxBool) UnmarshalJSON(b []byte) error {
	*l = string(b) == "true" || string(b) == `"true"`
	return nil
}

// verify checks a token as OpenID Connect and Google's guide require. access is the access token that was issued with it, if
// any. nonce reports whether the nonce of the token is valid.
func (c *Client) verify(ctx context.Context, e *endpoints, raw, access string, nonce func(string) bool) (*Identity, error) {
	if raw == "" || len(raw) > maxIDToken {
		return nil, badToken("missing or too long")
	}
	signer := &signer{keys: c.keys, url: e.keys}
	// go-oidc checks the format and the signature. The claims are checked below, because most of go-oidc's other errors have no
	// type and quote the token, and it accepts both spellings of the issuer only for Google.
	verifier := oidc.NewVerifier(c.cfg.Issuer, signer, &oidc.Config{
		SupportedSigningAlgs: []string{oidc.RS256}, SkipIssuerCheck: true, SkipClientIDCheck: true, SkipExpiryCheck: true,
	})
	token, err := verifier.Verify(ctx, raw)
	switch {
	case signer.failed != nil:
		return nil, asError(signer.failed, "the keys cannot be fetched")
	case err != nil && !signer.verified:
		return nil, badToken("not a token signed with RS256")
	case err != nil:
		return nil, badToken("malformed")
	}
	var more claims
	if err := token.Claims(&more); err != nil {
		return nil, badToken("malformed claims")
	}
	if reason := c.rejection(token, &more, access, nonce); reason != "" {
		return nil, badToken(reason)
	}
	return &Identity{
		Subject: token.Subject, Email: more.Email, Verified: bool(more.Verified), Name: more.Name, Picture: more.Picture, Locale: more.Locale,
		Nonce: token.Nonce, Token: fingerprint(raw), Expires: token.Expiry,
	}, nil
}

// rejection returns why the claims of a token with a valid signature are rejected, or "" when they are valid. It checks the
// conditions in the order of OpenID Connect Core, section 3.1.3.7, and returns the first that fails, without quoting the token.
func (c *Client) rejection(token *oidc.IDToken, more *claims, access string, nonce func(string) bool) string {
	_, short, _ := strings.Cut(c.cfg.Issuer, "://")
	now := c.now()
	switch {
	case token.Issuer != c.cfg.Issuer && token.Issuer != short:
		return "another issuer"
	case !slices.Contains(token.Audience, c.cfg.ClientID):
		return "another audience"
	case more.Party != "" && more.Party != c.cfg.ClientID, more.Party == "" && len(token.Audience) > 1:
		return "another authorized party"
	case token.Expiry.Before(now):
		return "expired"
	case more.NotBefore.after(now.Add(notBeforeLeeway)):
		return "not yet valid"
	case token.IssuedAt.IsZero() || token.IssuedAt.Unix() <= 0:
		return "no issue time"
	case token.IssuedAt.After(now.Add(skew)):
		return "issued in the future"
	case !nonce(token.Nonce):
		return "another nonce"
	case access != "" && token.AccessTokenHash != "" && token.VerifyAccessToken(access) != nil:
		return "another access token"
	case token.Subject == "":
		return "no subject"
	case len(token.Subject) > maxSubject:
		return "subject too long"
	}
	return ""
}

// fingerprint returns a hash that identifies a token. It excludes the signature, which has several valid spellings.
func fingerprint(raw string) string {
	sum := sha256.Sum256([]byte(raw[:max(0, strings.LastIndexByte(raw, '.'))]))
	return hex.EncodeToString(sum[:])
}

// signer verifies the signature of one token.
type signer struct {
	keys *keys
	url  string
	// verified reports whether the signature is valid. If not, failed is the *Error, or nil when no signature was checked.
	verified bool
	failed   error
}

// VerifySignature implements oidc.KeySet. It also stores its error in s.failed, since go-oidc drops the type.
func (s *signer) VerifySignature(ctx context.Context, raw string) ([]byte, error) {
	payload, err := s.verify(ctx, raw)
	s.verified, s.failed = err == nil, err
	return payload, err
}

func (s *signer) verify(ctx context.Context, raw string) ([]byte, error) {
	jws, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, badToken("not a token signed with RS256")
	}
	key, err := s.keys.find(ctx, s.url, jws.Signatures[0].Header.KeyID)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, badToken("invalid signature")
	}
	if !json.Valid(payload) {
		return nil, badToken("malformed")
	}
	return payload, nil
}
