package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

const (
	secretPrefix = "whsec_"
	// rotationGrace is how long the previous secret still signs.
	rotationGrace = 24 * time.Hour
)

// signingKey returns the key of a generation of an owner's secret. It is derived and not stored, so that neither the store nor a
// backup of it contains a secret.
func signingKey(installation []byte, owner string, generation int) []byte {
	return sum(sum(installation, "webhook secret v1"), owner, strconv.Itoa(generation))
}

// formatSecret returns a key in the form in which receivers get it.
func formatSecret(key []byte) string { return secretPrefix + base64.StdEncoding.EncodeToString(key) }

// sign returns the value of the header webhook-signature.
func sign(keys [][]byte, id string, at time.Time, body []byte) string {
	signatures := make([]string, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		_, _ = mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		_, _ = mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}

// sum returns the HMAC-SHA256 of parts, each terminated by a zero byte, which no part contains.
func sum(key []byte, parts ...string) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		_, _ = mac.Write([]byte(part))
		_, _ = mac.Write([]byte{0})
	}
	return mac.Sum(nil)
}
