package account

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// parseLegacy reads a token of the oldest format: header and claims in plain base64, and as the signature the base64 of
// the hex digits of the SHA-256 of both and the secret. Since the secret stands at the end nobody can lengthen it. An
// expiry is required, though its issuer did not insist.
func (a *Accounts) parseLegacy(token string) (*claims, bool) {
	if !a.cfg.AllowLegacy {
		return nil, false
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	signature, ok := plainBase64(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1] + "." + string(a.secret)))
	if !ok || subtle.ConstantTimeCompare(signature, []byte(hex.EncodeToString(sum[:]))) != 1 {
		return nil, false
	}
	body, ok := plainBase64(parts[1])
	if !ok {
		return nil, false
	}
	var said struct {
		UserID   string           `json:"userId"`
		Email    string           `json:"email"`
		Issuer   *string          `json:"iss"`
		Audience jwt.ClaimStrings `json:"aud"`
		Expires  float64          `json:"exp"`
	}
	if err := json.Unmarshal(body, &said); err != nil || said.Expires <= 0 || said.Expires > math.MaxInt32 {
		return nil, false
	}
	expires := time.Unix(int64(said.Expires), 0)
	if !a.now().Before(expires) {
		return nil, false
	}
	c := &claims{UserID: said.UserID, Email: said.Email, Issuer: said.Issuer}
	c.Audience, c.ExpiresAt = said.Audience, jwt.NewNumericDate(expires)
	return c, true
}

// plainBase64 decodes base64 with or without its padding.
func plainBase64(s string) ([]byte, bool) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
	return b, err == nil
}
