package google_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/text2image-audio/text2image-audio/pkg/google"
)

// publishing returns a client of an issuer that publishes keys.
func publishing(t testing.TB, keys ...jose.JSONWebKey) (c *google.Client, issuer string) {
	t.Helper()
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	serve := func(path string, body any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(body)
		})
	}
	serve("/.well-known/openid-configuration", map[string]any{
		"issuer": s.URL, "authorization_endpoint": s.URL + "/auth", "token_endpoint": s.URL + "/token", "jwks_uri": s.URL + "/keys",
	})
	serve("/keys", jose.JSONWebKeySet{Keys: keys})
	return google.New(google.Config{ClientID: "client", ClientSecret: "s", Issuer: s.URL}), s.URL
}

// TestUnusableKeys publishes keys that must not be used, and verifies tokens that are signed with them.
func TestUnusableKeys(t *testing.T) {
	t.Parallel()
	generate := func(bits int) *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		must(t, err)
		return key
	}
	good, weak := generate(2048), generate(1024)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	for name, c := range map[string]struct {
		key  jose.JSONWebKey
		with any
		want google.Kind // "" for a usable key.
	}{
		"good":           {jose.JSONWebKey{Key: good.Public(), Use: "sig", Algorithm: "RS256"}, good, ""},
		"minimal":        {jose.JSONWebKey{Key: good.Public()}, good, ""},
		"weak":           {jose.JSONWebKey{Key: weak.Public()}, weak, google.KindUnavailable},
		"huge":           {jose.JSONWebKey{Key: &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 16384, 1), E: 65537}}, good, google.KindUnavailable},
		"exponent 1":     {jose.JSONWebKey{Key: &rsa.PublicKey{N: good.N, E: 1}}, good, google.KindUnavailable},
		"elliptic curve": {jose.JSONWebKey{Key: curve.Public()}, good, google.KindUnavailable},
		"for encryption": {jose.JSONWebKey{Key: good.Public(), Use: "enc"}, good, google.KindUnavailable},
		"for PS256":      {jose.JSONWebKey{Key: good.Public(), Algorithm: "PS256"}, good, google.KindUnavailable},
		"without ID":     {jose.JSONWebKey{Key: good.Public()}, good, google.KindUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.key.KeyID = "k"; name == "without ID" {
				c.key.KeyID = ""
			}
			client, issuer := publishing(t, c.key)
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: c.with}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
			must(t, err)
			claims, err := json.Marshal(map[string]any{
				"iss": issuer, "aud": "client", "sub": "1", "email": "ada@example.com", "email_verified": true,
				"iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
			})
			must(t, err)
			signed, err := signer.Sign(claims)
			must(t, err)
			token, err := signed.CompactSerialize()
			must(t, err)
			_, err = client.Verify(t.Context(), token, "")
			if c.want != "" {
				expectError(t, err, c.want)
				return
			}
			must(t, err)
		})
	}
}
