package google

import (
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// issuer returns the issuer, with the host name that the client uses.
func issuer(x *kit.Exchange) string { return "http://" + x.Request.Host + Prefix }

// discovery serves the document that lists the other routes.
func discovery(x *kit.Exchange) any {
	base := issuer(x)
	x.Header().Set("Cache-Control", "public, max-age=3600")
	return map[string]any{
		"issuer":                                base,
		"authorization_endpoint":                base + "/o/oauth2/v2/auth",
		"token_endpoint":                        base + "/token",
		"userinfo_endpoint":                     base + "/v1/userinfo",
		"revocation_endpoint":                   base + "/revoke",
		"jwks_uri":                              base + "/oauth2/v3/certs",
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "email", "profile"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "client_secret_basic"},
		"claims_supported": []string{
			"aud", "email", "email_verified", "exp", "family_name", "given_name", "iat", "iss", "name", "picture", "sub",
		},
		"code_challenge_methods_supported": []string{"plain", "S256"},
		"grant_types_supported":            []string{"authorization_code", "refresh_token"},
	}
}
