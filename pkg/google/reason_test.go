package google_test

import (
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/google"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// TestRejectionReasons rejects each token several times: the reason in the log must be the right one every time, whatever words
// the token contains.
func TestRejectionReasons(t *testing.T) {
	t.Parallel()
	s := setup(t)
	now := s.clock.Now().Unix()
	type claims = map[string]any
	// The words of other reasons, which an attacker may put into a claim that an error message quotes.
	const words = "not before signature audience malformed jwt expired"
	for name, c := range map[string]struct {
		claims, header claims
		nonce, want    string
	}{
		"another issuer":                  {claims{"iss": "https://evil.example"}, nil, "", "another issuer"},
		"no issuer":                       {claims{"iss": nil}, nil, "", "another issuer"},
		"another audience":                {claims{"aud": "x", "azp": nil}, nil, "", "another audience"},
		"an audience with words":          {claims{"aud": words, "azp": nil}, nil, "", "another audience"},
		"no audience":                     {claims{"aud": nil, "azp": nil}, nil, "", "another audience"},
		"another party":                   {claims{"azp": words}, nil, "", "another authorized party"},
		"two audiences and no party":      {claims{"aud": []string{simulator.GoogleClientID, words}, "azp": nil}, nil, "", "another authorized party"},
		"expired":                         {claims{"exp": now - 1}, nil, "", "expired"},
		"expired and not yet valid":       {claims{"exp": now - 1, "nbf": now + 86400}, nil, "", "expired"},
		"no expiry":                       {claims{"exp": nil}, nil, "", "expired"},
		"not yet valid":                   {claims{"nbf": now + 86400}, nil, "", "not yet valid"},
		"another issuer and audience":     {claims{"iss": words, "aud": words}, nil, "", "another issuer"},
		"another audience, and expired":   {claims{"aud": words, "azp": nil, "exp": now - 1}, nil, "", "another audience"},
		"issued in the future":            {claims{"iat": now + 3600}, nil, "", "issued in the future"},
		"never issued":                    {claims{"iat": nil}, nil, "", "no issue time"},
		"another nonce":                   {claims{"nonce": "n"}, nil, "m", "another nonce"},
		"no subject":                      {claims{"sub": ""}, nil, "", "no subject"},
		"a long subject":                  {claims{"sub": strings.Repeat("1", 256)}, nil, "", "subject too long"},
		"expiry is not a number":          {claims{"exp": words}, nil, "", "malformed"},
		"nbf is not a number":             {claims{"nbf": words}, nil, "", "malformed"},
		"a claim from an unknown source":  {claims{"_claim_names": claims{words: "x"}}, nil, "", "malformed"},
		"no algorithm":                    {nil, claims{"alg": "none"}, "", "not a token signed with RS256"},
		"HS256":                           {nil, claims{"alg": "HS256"}, "", "not a token signed with RS256"},
		"unknown key ID":                  {nil, claims{"kid": words}, "", "signed with an unknown key"},
		"expired, with an unknown key ID": {claims{"exp": now - 1}, claims{"kid": words}, "", "signed with an unknown key"},
		"another issuer, unknown key ID":  {claims{"iss": words}, claims{"kid": "x"}, "", "signed with an unknown key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token := s.signed(t, c.claims, c.header)
			for range 20 {
				if e := expectError(t, errOf(s.Verify(t.Context(), token, c.nonce)), google.KindToken); e.Reason != c.want {
					t.Fatalf("the reason is %q, want %q", e.Reason, c.want)
				}
			}
		})
	}
	good := s.signed(t, nil, nil)
	head, rest, _ := strings.Cut(good, ".")
	body, signature, _ := strings.Cut(rest, ".")
	for name, c := range map[string]struct{ token, want string }{
		"nothing":           {"", "missing or too long"},
		"words":             {words, "not a token signed with RS256"},
		"dots":              {"..", "not a token signed with RS256"},
		"no signature":      {head + "." + body + ".", "invalid signature"},
		"another signature": {head + "." + body + "." + strings.Repeat("A", len(signature)), "invalid signature"},
		"not compact":       {`{"payload":"` + body + `","protected":"` + head + `","signature":"` + signature + `"}`, "not a token signed with RS256"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if e := expectError(t, errOf(s.Verify(t.Context(), c.token, "")), google.KindToken); e.Reason != c.want {
				t.Errorf("the reason is %q, want %q", e.Reason, c.want)
			}
		})
	}
}
