package server

import (
	"crypto/hmac"
	"crypto/sha256"
)

// keys are derived from the installation's secret, one for each purpose, so that what is signed for the one can never
// pass for the other.
type keys struct {
	guestCookie []byte
	attempts    []byte
	googleFlow  []byte
	adminKeyID  []byte
}

func deriveKeys(secret []byte) keys {
	return keys{
		guestCookie: derive(secret, "guest cookie v1"),
		attempts:    derive(secret, "attempts v1"),
		googleFlow:  derive(secret, "google flow v1"),
		adminKeyID:  derive(secret, "admin key id v1"),
	}
}

func derive(secret []byte, label string) []byte { return sum(secret, label) }

// sum returns the HMAC-SHA256 of parts, each ended by a zero byte, which none of them holds.
func sum(key []byte, parts ...string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write([]byte(part))
		mac.Write([]byte{0})
	}
	return mac.Sum(nil)
}
