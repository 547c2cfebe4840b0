package google_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/internal/wiretest"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// publicKeys returns the key set by kid.
func publicKeys(t *testing.T, s *simulator.Simulator) map[string]*rsa.PublicKey {
	t.Helper()
	a := wiretest.Get(t, s.GoogleURL()+"/oauth2/v3/certs")
	if a.Status != 200 || !strings.Contains(a.Header.Get("Cache-Control"), "max-age=") {
		t.Fatalf("status %d, Cache-Control %q", a.Status, a.Header.Get("Cache-Control"))
	}
	var set struct {
		Keys []struct{ Kid, Kty, Alg, Use, N, E string }
	}
	if err := json.Unmarshal(a.Body, &set); err != nil {
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

// openToken decodes a token and reports whether a published key verifies it.
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

// claimsOf returns the claims of a token, which must verify.
func claimsOf(t *testing.T, s *simulator.Simulator, token string) map[string]any {
	t.Helper()
	_, claims, verifies := openToken(t, s, token)
	if !verifies {
		t.Error("the id_token does not verify")
	}
	return claims
}

// TestGoogleKeyRotation rotates the keys: a token verifies after one rotation.
func TestGoogleKeyRotation(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	if keys := publicKeys(t, s); len(keys) != 2 {
		t.Errorf("%d keys", len(keys))
	}
	sign := func() string {
		return textOf(t, redeem(t, s, allowed(t, s, "ada@example.com")).Fields(t), "id_token")
	}
	old := sign()
	oldHeader, _, verifies := openToken(t, s, old)
	if !verifies {
		t.Error("at first it does not verify")
	}
	if err := s.Google().Rotate(); err != nil {
		t.Fatal(err)
	}
	fresh := sign()
	freshHeader, _, verifies := openToken(t, s, fresh)
	if !verifies || freshHeader["kid"] == oldHeader["kid"] {
		t.Errorf("the new key %v after %v; it verifies: %t", freshHeader["kid"], oldHeader["kid"], verifies)
	}
	if _, _, verifies := openToken(t, s, old); !verifies {
		t.Error("after one rotation it does not verify any more")
	}
	rotated := wiretest.Post(t, s.URL()+"/_control/google/rotate", "", "Content-Type", "application/json").Fields(t)
	if wiretest.At(t, rotated, "keys", 1) != freshHeader["kid"] || publicKeys(t, s)[wiretest.At(t, rotated, "keys", 0).(string)] == nil {
		t.Errorf("the keys are %v", rotated)
	}
	if _, _, verifies := openToken(t, s, old); verifies {
		t.Error("after two rotations it still verifies")
	}
	if _, _, verifies := openToken(t, s, fresh); !verifies {
		t.Error("the token from before the last rotation does not verify")
	}
}

// TestGoogleSign signs arbitrary tokens, which the library of the clients verifies
// as well.
func TestGoogleSign(t *testing.T) {
	t.Parallel()
	s := simulatortest.Start(t)
	google := s.Google()
	claims := google.Claims(simulator.GoogleUser{Email: "zoe@example.com", Verified: true, Name: "Zoe"}, "mine")
	if claims["sub"] != google.User("ZOE@example.com").Sub || claims["iss"] != s.GoogleURL() || claims["aud"] != "mine" {
		t.Errorf("claims %v", claims)
	}
	token, err := google.Sign(claims, nil)
	if err != nil {
		t.Fatal(err)
	}
	header, _, verifies := openToken(t, s, token)
	if !verifies {
		t.Error("it does not verify")
	}
	public := publicKeys(t, s)[header["kid"].(string)]
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	for algorithm, key := range map[string]any{"RS256": public, "HS256": secret, "none": jwt.UnsafeAllowNoneSignatureType} {
		token, err := google.Sign(claims, map[string]any{"alg": algorithm, "kid": nil})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return key, nil }, jwt.WithValidMethods([]string{algorithm}), jwt.WithAudience("mine")); err != nil {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
	if _, err := google.Sign(claims, map[string]any{"alg": "ES256"}); err == nil {
		t.Error("it signs with ES256")
	}
	if _, err := google.Sign(map[string]any{"sub": func() {}}, nil); err == nil {
		t.Error("it signs a value that is not JSON")
	}
}
