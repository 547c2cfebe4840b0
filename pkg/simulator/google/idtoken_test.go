package google_test

import (
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/google"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/simulatortest"
)

// idTokenTable lists how each mutation changes the id_token, and whether it verifies.
func idTokenTable() map[string]func(t *testing.T, header, claims map[string]any, verifies bool) {
	claim := func(name string, want any) func(*testing.T, map[string]any, map[string]any, bool) {
		return func(t *testing.T, _, claims map[string]any, verifies bool) {
			t.Helper()
			if got := claims[name]; got != want || !verifies {
				t.Errorf("%s is %v, want %v; it verifies: %t", name, got, want, verifies)
			}
		}
	}
	head := func(name, want string) func(*testing.T, map[string]any, map[string]any, bool) {
		return func(t *testing.T, header, _ map[string]any, verifies bool) {
			t.Helper()
			if header[name] != want || verifies {
				t.Errorf("%s is %v, want %s; it verifies: %t", name, header[name], want, verifies)
			}
		}
	}
	const other = "another-client.apps.googleusercontent.com"
	return map[string]func(*testing.T, map[string]any, map[string]any, bool){
		"access_denied":            nil,
		"id_token_missing":         nil,
		"id_token_wrong_aud":       claim("aud", other),
		"id_token_wrong_azp":       claim("azp", other),
		"id_token_wrong_iss":       claim("iss", "https://accounts.example.com"),
		"id_token_wrong_nonce":     claim("nonce", "of-another-sign-in"),
		"id_token_without_nonce":   claim("nonce", nil),
		"id_token_without_sub":     claim("sub", nil),
		"id_token_without_email":   claim("email", nil),
		"id_token_unverified":      claim("email_verified", false),
		"id_token_verified_text":   claim("email_verified", "true"),
		"id_token_unverified_text": claim("email_verified", "false"),
		"id_token_expired":         claim("exp", float64(atNoon().Unix()-3600)),
		"id_token_future":          claim("iat", float64(atNoon().Unix()+7200)),
		"id_token_wrong_at_hash": func(t *testing.T, _, claims map[string]any, verifies bool) {
			t.Helper()
			if sum := unbase64(t, claims["at_hash"].(string)); len(sum) != 16 || !verifies {
				t.Errorf("%d bytes, it verifies: %t", len(sum), verifies)
			}
		},
		"id_token_short_iss": func(t *testing.T, _, claims map[string]any, verifies bool) {
			t.Helper()
			if iss := claims["iss"].(string); !strings.HasPrefix(iss, "127.0.0.1:") || !strings.HasSuffix(iss, "/google") || !verifies {
				t.Errorf("iss is %s, it verifies: %t", iss, verifies)
			}
		},
		"id_token_alg_none":    head("alg", "none"),
		"id_token_hs256":       head("alg", "HS256"),
		"id_token_unknown_kid": head("kid", strings.Repeat("0", 40)),
		"id_token_forged":      head("alg", "RS256"),
	}
}

// TestEveryIDToken redeems a code with each mutation and a second code after it.
func TestEveryIDToken(t *testing.T) {
	t.Parallel()
	for _, name := range google.IDTokenFaults() {
		if _, ok := idTokenTable()[name]; !ok {
			t.Errorf("the mutation %s is not in the table", name)
		}
	}
	for name, check := range idTokenTable() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := simulatortest.StartWith(t, simulator.Config{Now: atNoon})
			if check == nil && name == "access_denied" {
				simulatortest.Script(t, s, simulator.Rule{Kind: simulator.KindAuthorize, Fault: name, Times: 1})
				if back := simulatortest.Decide(t, authURL(s), "allow"); back.Query().Get("error") != name || back.Query().Get("state") == "" {
					t.Errorf("redirected to %s", back)
				}
				return
			}
			simulatortest.Script(t, s, simulator.Rule{Kind: simulator.KindToken, Fault: name, Times: 1})
			mutated := redeem(t, s, allowed(t, s, "ada@example.com")).Fields(t)
			if check == nil {
				if mutated["id_token"] != nil || mutated["access_token"] == nil {
					t.Errorf("the response is %v", mutated)
				}
			} else {
				header, claims, verifies := openToken(t, s, textOf(t, mutated, "id_token"))
				check(t, header, claims, verifies)
			}
			good := claimsOf(t, s, textOf(t, redeem(t, s, allowed(t, s, "ada@example.com")).Fields(t), "id_token"))
			if good["aud"] != simulator.GoogleClientID || good["nonce"] != "n-1" {
				t.Errorf("afterwards the claims are %v", good)
			}
		})
	}
}
