package simulator

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
)

// googleKeys are the keys that sign, made when they are first asked for, so
// that a Simulator whose Google nobody uses starts at once.
type googleKeys struct {
	mu   sync.Mutex
	keys []googleKey // the first signs, both verify
}

type googleKey struct {
	id      string
	private *rsa.PrivateKey
}

const googleKeyBits = 2048

func newGoogleKey() (googleKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, googleKeyBits)
	if err != nil {
		return googleKey{}, fmt.Errorf("make a key: %w", err)
	}
	sum := sha256.Sum256(private.N.Bytes())
	return googleKey{id: fmt.Sprintf("%x", sum[:20]), private: private}, nil
}

// both returns the two keys, the one that signs first.
func (k *googleKeys) both() ([2]googleKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.fill()
}

// rotate lets a new key sign. The one that did verifies on, the older one is
// gone.
func (k *googleKeys) rotate() ([2]googleKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, err := k.fill(); err != nil {
		return [2]googleKey{}, err
	}
	fresh, err := newGoogleKey()
	if err != nil {
		return [2]googleKey{}, err
	}
	k.keys = []googleKey{fresh, k.keys[0]}
	return k.fill()
}

func (k *googleKeys) fill() ([2]googleKey, error) {
	for len(k.keys) < 2 {
		fresh, err := newGoogleKey()
		if err != nil {
			return [2]googleKey{}, err
		}
		k.keys = append(k.keys, fresh)
	}
	return [2]googleKey(k.keys), nil
}

// Rotate lets a new key sign. What the key before it has signed still
// verifies, what the one before that has signed no longer does. It costs
// making a key of 2048 bits, and fails only if the system gives no chance.
func (g *Google) Rotate() error {
	_, err := g.keys.rotate()
	return err
}

// Sign makes a token of the given claims. The header says RS256 and the
// newest key; the fields of header are laid over it, and those that are nil
// are left out. With the alg "none" nothing is signed; with "HS256" the secret
// is the public key in PEM, as in the attack on clients that take any alg. A
// kid that there is not is signed with the newest key. It fails when the alg
// is another one or when a claim is no JSON.
func (g *Google) Sign(claims, header map[string]any) (string, error) {
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

// sign makes the signature of a text in one of the ways that Sign knows.
func (k googleKey) sign(algorithm, text string) ([]byte, error) {
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

// googleCerts serves the public keys.
func (x *exchange) googleCerts() {
	if !x.arriveAtGoogle("", "") {
		return
	}
	keys, err := x.s.google.keys.both()
	if err != nil {
		x.refuse(failure{status: http.StatusInternalServerError, message: "no keys"})
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
	x.w.Header().Set("Cache-Control", "public, max-age=19000, must-revalidate, no-transform")
	x.sendJSON(http.StatusOK, map[string]any{"keys": set})
}
