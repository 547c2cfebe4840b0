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
	// maxIDToken bounds what is parsed; Google's have about 1200 characters.
	maxIDToken = 8 << 10
	// skew is by how much Google's clock may be ahead.
	skew = 2 * time.Minute
	// notBeforeLeeway is by how much Google's clock may be ahead of ours where a token says from when on it is good.
	notBeforeLeeway = 5 * time.Minute
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
	Party     string      `json:"azp"`
	NotBefore numericDate `json:"nbf"`
	Email     string      `json:"email"`
	Verified  yes         `json:"email_verified"`
	Name      string      `json:"name"`
	Picture   string      `json:"picture"`
	Locale    string      `json:"locale"`
}

// numericDate is a time in seconds since 1970, which may have a fraction; 0 when absent.
type numericDate float64

// UnmarshalJSON takes a number, also one that is written as a string, as go-oidc does.
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
	// go-oidc checks the form and the signature. It words most other refusals without a type, quotes the token in them, and
	// knows both spellings of Google's own issuer alone; so the claims are checked below.
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
		return nil, badToken("cannot be read")
	}
	var more claims
	if err := token.Claims(&more); err != nil {
		return nil, badToken("its claims cannot be read")
	}
	if reason := c.refused(token, &more, access, nonce); reason != "" {
		return nil, badToken(reason)
	}
	return &Identity{
		Subject: token.Subject, Email: more.Email, Verified: bool(more.Verified), Name: more.Name, Picture: more.Picture, Locale: more.Locale,
		Nonce: token.Nonce, Token: fingerprint(raw), Expires: token.Expiry,
	}, nil
}

// refused returns why the claims of a token with a good signature are not accepted, "" when they are. The conditions come
// in the order of OpenID Connect Core, section 3.1.3.7; the first that fails is the reason. It holds no word of the token's.
func (c *Client) refused(token *oidc.IDToken, more *claims, access string, nonce func(string) bool) string {
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
		return "not good yet"
	case token.IssuedAt.IsZero() || token.IssuedAt.Unix() <= 0:
		return "no time of issue"
	case token.IssuedAt.After(now.Add(skew)):
		return "issued in the future"
	case !nonce(token.Nonce):
		return "another nonce"
	case access != "" && token.AccessTokenHash != "" && token.VerifyAccessToken(access) != nil:
		return "another access token"
	case token.Subject == "":
		return "no subject"
	case len(token.Subject) > maxSubject:
		return "a subject that is too long"
	}
	return ""
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

// signer verifies one token's signature.
type signer struct {
	keys    *keys
	address string
	// verified says that the signature is good; failed, an *Error, is why not, nil when the signature was never looked at.
	verified bool
	failed   error
}

// VerifySignature is part of oidc.KeySet. go-oidc drops the type of its error, which is therefore kept in s.failed.
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
	key, err := s.keys.find(ctx, s.address, jws.Signatures[0].Header.KeyID)
	if err != nil {
		return nil, err
	}
	payload, err := jws.Verify(key)
	if err != nil {
		return nil, badToken("a bad signature")
	}
	if !json.Valid(payload) {
		return nil, badToken("cannot be read")
	}
	return payload, nil
}
