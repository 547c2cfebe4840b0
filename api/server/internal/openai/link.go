package openai

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// LinkAge is how long a Link is valid, as at OpenAI.
const LinkAge = time.Hour

// Link names an image of a job for everyone who has its token, without a key.
type Link struct {
	Owner string `json:"o"`
	Job   string `json:"j"`
	Index int    `json:"i,omitempty"`
	// Format is the format to which the image is converted, or empty.
	Format string `json:"f,omitempty"`
	// Expires is a time in seconds since 1970.
	Expires int64 `json:"e"`
}

// Links makes and opens the tokens of links. They are encrypted, since they would otherwise disclose the id of a member.
type Links struct{ aead cipher.AEAD }

// NewLinks returns Links with a key of 32 bytes. It fails for a key of another length.
func NewLinks(key []byte) (*Links, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("use key of links: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("use key of links: %w", err)
	}
	return &Links{aead}, nil
}

// Token returns the token of a link.
func (l *Links) Token(link Link) string {
	plain, err := json.Marshal(link)
	if err != nil {
		panic(err) // Its fields are strings and numbers.
	}
	return base64.RawURLEncoding.EncodeToString(l.aead.Seal(nil, nil, plain, nil)) //nolint:gosec // The AEAD adds a random nonce itself.
}

// Open returns the link of a token. It reports false for a token that Token has not returned or that has expired.
func (l *Links) Open(token string, now time.Time) (Link, bool) {
	var link Link
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil {
		return Link{}, false
	}
	plain, err := l.aead.Open(nil, nil, sealed, nil)
	if err != nil || json.Unmarshal(plain, &link) != nil || now.Unix() >= link.Expires {
		return Link{}, false
	}
	return link, true
}
