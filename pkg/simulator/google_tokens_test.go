package simulator_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// publicKeys reads the key set, by kid.
func publicKeys(t *testing.T, s *simulator.Simulator) map[string]*rsa.PublicKey {
	t.Helper()
	a := get(t, s.GoogleURL()+"/oauth2/v3/certs")
	if a.status != 200 || !strings.Contains(a.header.Get("Cache-Control"), "max-age=") {
		t.Fatalf("status %d, Cache-Control %q", a.status, a.header.Get("Cache-Control"))
	}
	var set struct {
		Keys []struct{ Kid, Kty, Alg, Use, N, E string }
	}
	if err := json.Unmarshal(a.body, &set); err != nil {
		t.Fatal(err)
	}
	keys := map[string]*rsa.PublicKey{}
	for _, key := range set.Keys {
		if key.Kty != "RSA" || key.Alg != "RS256" || key.Use != "sig" {
			t.Errorf("key %+v", key)
		}
		keys[key.Kid] = &rsa.PublicKey{N: number(t, key.N), E: int(number(t, key.E).Int64())}
	}
	return keys
}

func number(t *testing.T, text string) *big.Int {
	t.Helper()
	return new(big.Int).SetBytes(unbase64(t, text))
}

func unbase64(t *testing.T, text string) []byte {
	t.Helper()
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// openToken takes a token apart and tells whether one of the published keys
// has signed it.
func openToken(t *testing.T, s *simulator.Simulator, token string) (header, claims map[string]any, verifies bool) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts", len(parts))
	}
	for n, into := range []*map[string]any{&header, &claims} {
		if err := json.Unmarshal(unbase64(t, parts[n]), into); err != nil {
			t.Fatal(err)
		}
	}
	kid, _ := header["kid"].(string)
	key := publicKeys(t, s)[kid]
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	return header, claims, key != nil && header["alg"] == "RS256" && rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], unbase64(t, parts[2])) == nil
}

// claimsOf returns the claims of a token that must verify.
func claimsOf(t *testing.T, s *simulator.Simulator, token string) map[string]any {
	t.Helper()
	_, claims, verifies := openToken(t, s, token)
	if !verifies {
		t.Error("the id_token does not verify")
	}
	return claims
}
