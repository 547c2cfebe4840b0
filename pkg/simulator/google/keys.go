package google

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// keySet holds the signing keys. They are generated on first use, so that a simulator
// starts immediately if nothing uses its Google.
type keySet struct {
	mu   sync.Mutex
	keys []key // the first signs, both verify
}

type key struct {
	id      string
	private *rsa.PrivateKey
}

const keyBits = 2048

func newKey() (key, error) {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return key{}, fmt.Errorf("make a key: %w", err)
	}
	sum := sha256.Sum256(private.N.Bytes())
	return key{id: fmt.Sprintf("%x", sum[:20]), private: private}, nil
}

// both returns the two keys, the signing one first.
func (k *keySet) both() ([2]key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fill()
}

// rotate makes a new key for signing. The previous one still verifies, the one
// before is removed.
func (k *keySet) rotate() ([2]key, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.fill(); err != nil {
		return [2]key{}, err
	}
	fresh, err := newKey()
	if err != nil {
		return [2]key{}, err
	}
	k.keys = []key{fresh, k.keys[0]}
	return k.fill()
}

func (k *keySet) fill() ([2]key, error) {
	for len(k.keys) < 2 {
		fresh, err := newKey()
		if err != nil {
			return [2]key{}, err
		}
		k.keys = append(k.keys, fresh)
	}
	return [2]key(k.keys), nil
}

// Rotate makes a new key for signing. Tokens of the previous key still verify, those
// of the key before no longer do. The cost is generating an RSA key of 2048 bits.
// It fails only if the system has no source of randomness.
func (g *Provider) Rotate() error {
	_, err := g.keys.rotate()
	return err
}

// Sign returns a token with the given claims. Its header has RS256 and the newest
// key; the fields of header replace those, and nil removes one. With the alg "none"
// nothing is signed; with "HS256" the secret is the public key in PEM, as in the
// attack on clients that accept any alg. An unknown kid is signed with the newest
// key. Sign fails if the alg is another one or if a claim cannot be encoded.
func (g *Provider) Sign(claims, header map[string]any) (string, error) {
	keys, err := g.keys.both()
	if err != nil {
		return "", err
	}
	full := map[string]any{"alg": "RS256", "kid": keys[0].id, "typ": "JWT"}
	maps.Copy(full, header)
	maps.DeleteFunc(full, func(_ string, value any) bool { return value == nil })
	head, err := json.Marshal(full)
	if err != nil {
		return "", fmt.Errorf("encode the header: %w", err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encode the claims: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	key := keys[0]
	if full["kid"] == keys[1].id {
		key = keys[1]
	}
	signature, err := key.sign(fmt.Sprint(full["alg"]), signed)
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

// sign returns the signature of a text with one of the algorithms of Sign.
func (k key) sign(algorithm, text string) ([]byte, error) {
	switch algorithm {
	case "RS256":
		sum := sha256.Sum256([]byte(text))
		return rsa.SignPKCS1v15(nil, k.private, crypto.SHA256, sum[:])
	case "HS256":
		der, err := x509.MarshalPKIXPublicKey(&k.private.PublicKey)
		if err != nil {
			return nil, fmt.Errorf("encode the public key: %w", err)
		}
		mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		_, _ = mac.Write([]byte(text)) // It never fails.
		return mac.Sum(nil), nil
	case "none":
		return nil, nil
	default:
		return nil, errors.New("sign: the alg must be RS256, HS256 or none")
	}
}

// certs serves the public keys.
func (g *Provider) certs(x *kit.Exchange) {
	if !x.Arrive("", "", "") {
		return
	}
	keys, err := g.keys.both()
	if err != nil {
		x.Refuse(kit.Failure{Status: http.StatusInternalServerError, Message: "no keys"})
		return
	}
	type jwk struct {
		Use string `json:"use"`
		Kty string `json:"kty"`
		Alg string `json:"alg"`
		Kid string `json:"kid"`
		N   string `json:"n"`
		E   string `json:"e"`
	}
	var set []jwk
	for _, key := range keys {
		set = append(set, jwk{
			Use: "sig", Kty: "RSA", Alg: "RS256", Kid: key.id, N: base64.RawURLEncoding.EncodeToString(key.private.N.Bytes()),
			E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.private.E)).Bytes()),
		})
	}
	x.Header().Set("Cache-Control", "public, max-age=19000, must-revalidate, no-transform")
	x.SendJSON(http.StatusOK, map[string]any{"keys": set})
}
