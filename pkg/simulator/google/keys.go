package google

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"sync"

	"github.com/golang-jwt/jwt/v5"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// keySet holds the signing keys: the first signs, both verify. It is empty until their
// first use, so that a simulator starts immediately if nothing uses its Google.
type keySet struct {
	mu   sync.Mutex
	keys []key
}

type key struct {
	id      string
	private *rsa.PrivateKey
}

const keyBits = 2048

// initialKeys returns the keys with which every simulator of this process begins. To
// generate them takes longer than a test with a simulator of its own.
var initialKeys = sync.OnceValues(func() ([]key, error) {
	signing, err := newKey()
	if err != nil {
		return nil, err
	}
	previous, err := newKey()
	return []key{signing, previous}, err
})

func newKey() (key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return key{}, fmt.Errorf("generate key: %w", err)
	}
	sum := sha256.Sum256(private.N.Bytes())
	return key{id: fmt.Sprintf("%x", sum[:20]), private: private}, nil
}

// both returns the two keys, the signing one first. With rotate it makes a new key for
// signing: the previous one still verifies, the one before is removed.
func (k *keySet) both(rotate bool) ([]key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil {
		keys, err := initialKeys()
		if err != nil {
			return nil, err
		}
		k.keys = keys
	}
	if rotate {
		signing, err := newKey()
		if err != nil {
			return nil, err
		}
		k.keys = []key{signing, k.keys[0]}
	}
	return k.keys, nil
}

// Rotate makes a new key for signing. Tokens of the previous key still verify, those
// of the key before no longer do. The cost is generating an RSA key of 2048 bits.
// It fails only if the system has no source of randomness.
func (g *Provider) Rotate() error {
	_, err := g.keys.both(true)
	return err
}

// Sign returns a token with the given claims. Its header has RS256 and the newest
// key; the fields of header replace those, and nil removes one. With the alg "none"
// nothing is signed; with "HS256" the secret is the public key in PEM, as in the
// attack on clients that accept any alg. An unknown kid is signed with the newest
// key. Sign fails if the alg is another one or if a claim cannot be encoded.
func (g *Provider) Sign(claims, header map[string]any) (string, error) {
	keys, err := g.keys.both(false)
	if err != nil {
		return "", err
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(claims))
	token.Header["kid"] = keys[0].id
	maps.Copy(token.Header, header)
	maps.DeleteFunc(token.Header, func(_ string, value any) bool { return value == nil })
	private := keys[0].private
	if token.Header["kid"] == keys[1].id {
		private = keys[1].private
	}
	switch token.Header["alg"] {
	case "RS256":
		return token.SignedString(private)
	case "HS256":
		der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
		if err != nil {
			return "", fmt.Errorf("encode public key: %w", err)
		}
		token.Method = jwt.SigningMethodHS256
		return token.SignedString(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	case "none":
		token.Method = jwt.SigningMethodNone
		return token.SignedString(jwt.UnsafeAllowNoneSignatureType)
	default:
		return "", errors.New("sign: the alg must be RS256, HS256 or none")
	}
}

// certs serves the public keys.
func (g *Provider) certs(x *kit.Exchange) {
	if !x.Arrive("", "", "") {
		return
	}
	keys, err := g.keys.both(false)
	if err != nil {
		x.Fail(kit.Failure{Status: http.StatusInternalServerError, Message: "no keys"})
		return
	}
	var set []map[string]string
	for _, key := range keys {
		set = append(set, map[string]string{
			"use": "sig", "kty": "RSA", "alg": "RS256", "kid": key.id, "n": base64.RawURLEncoding.EncodeToString(key.private.N.Bytes()),
			"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.private.E)).Bytes()),
		})
	}
	x.Header().Set("Cache-Control", "public, max-age=19000, must-revalidate, no-transform")
	x.SendJSON(http.StatusOK, map[string]any{"keys": set})
}
