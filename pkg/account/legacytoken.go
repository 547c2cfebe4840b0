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

// parseLegacy parses a token of the oldest format: header and claims in standard base64, and a signature that is the base64 of
// the hexadecimal SHA-256 of both followed by the secret. The position of the secret rules out length extension. Unlike the
// issuer, parseLegacy requires an expiry.
func (a *Accounts) parseLegacy(token string) (*claims, bool) {
	if !a.cfg.AllowLegacy {
		return nil, false
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, false
	}
	signature, ok := decodeBase64(parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1] + "." + string(a.secret)))
	if !ok || subtle.ConstantTimeCompare(signature, []byte(hex.EncodeToString(sum[:]))) != 1 {
		return nil, false
	}
	body, ok := decodeBase64(parts[1])
	if !ok {
		return nil, false
	}
	var stated struct {
		UserID   string           `json:"userId"`
		Email    string           `json:"email"`
		Issuer   *string          `json:"iss"`
		Audience jwt.ClaimStrings `json:"aud"`
		Expires  float64          `json:"exp"`
	}
	if err := json.Unmarshal(body, &stated); err != nil || stated.Expires <= 0 || stated.Expires > math.MaxInt32 {
		return nil, false
	}
	expires := time.Unix(int64(stated.Expires), 0)
	if !a.now().Before(expires) {
		return nil, false
	}
	c := &claims{UserID: stated.UserID, Email: stated.Email, Issuer: stated.Issuer}
	c.Audience, c.ExpiresAt = stated.Audience, jwt.NewNumericDate(expires)
	return c, true
}

// decodeBase64 decodes standard base64 with or without padding.
func decodeBase64(s string) ([]byte, bool) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
	return b, err == nil
}
