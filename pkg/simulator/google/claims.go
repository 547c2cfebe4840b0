package google

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// Claims returns the claims of a valid id_token of a user for a client, without a
// nonce, with the issuer and the clock of the simulator. Sign makes a token of
// them; a test may change them before.
func (g *Provider) Claims(user User, client string) map[string]any {
	user.Sub = cmp.Or(user.Sub, subjectOf(user.Email))
	return g.claims(g.url(), user, client, allScopes())
}

func (g *Provider) claims(issuer string, user User, client string, scopes scopes) map[string]any {
	now := g.now()
	claims := user.claims(issuer, scopes)
	claims["iss"], claims["azp"], claims["aud"] = issuer, client, client
	claims["iat"], claims["exp"] = now.Unix(), now.Add(tokenLifetime).Unix()
	return claims
}

// claims returns the profile of a user, as claims of OpenID Connect.
func (u User) claims(base string, scopes scopes) map[string]any {
	fields := map[string]any{"sub": u.Sub}
	if u.Domain != "" {
		fields["hd"] = u.Domain
	}
	if scopes.has("email") {
		fields["email"], fields["email_verified"] = u.Email, u.Verified
	}
	if scopes.has("profile") {
		given, family := u.Name, ""
		if at := strings.LastIndex(u.Name, " "); at > 0 {
			given, family = u.Name[:at], u.Name[at+1:]
		}
		fields["name"], fields["given_name"] = u.Name, given
		if family != "" {
			fields["family_name"] = family
		}
		fields["picture"] = base + "/a/" + u.Sub + "=s96-c"
	}
	return fields
}

// The variations that are not a mutation of an id_token.
const (
	faultDenied    = "access_denied"    // the user denies, regardless of the form
	faultNoIDToken = "id_token_missing" // tokens without an id_token
	faultForged    = "id_token_forged"  // the signature of another token
)

// mutation changes a valid id_token into an invalid or unusual one.
type mutation func(claims, header map[string]any)

// idTokenMutations returns the mutations that a rule may ask for. The nil ones are
// handled elsewhere.
func idTokenMutations() map[string]mutation {
	set := func(name string, value any) mutation {
		return func(claims, _ map[string]any) { claims[name] = value }
	}
	without := func(name string) mutation {
		return func(claims, _ map[string]any) { delete(claims, name) }
	}
	head := func(name string, value any) mutation {
		return func(_, header map[string]any) { header[name] = value }
	}
	move := func(by time.Duration) mutation {
		return func(claims, _ map[string]any) {
			for _, name := range []string{"iat", "exp"} {
				if at, ok := claims[name].(int64); ok {
					claims[name] = at + int64(by.Seconds())
				}
			}
		}
	}
	const other = "another-client.apps.googleusercontent.com"
	return map[string]mutation{
		faultDenied:    nil,
		faultNoIDToken: nil,
		faultForged:    nil,

		"id_token_wrong_aud":       set("aud", other),
		"id_token_wrong_azp":       set("azp", other),
		"id_token_wrong_iss":       set("iss", "https://accounts.example.com"),
		"id_token_wrong_nonce":     set("nonce", "of-another-sign-in"),
		"id_token_without_nonce":   without("nonce"),
		"id_token_without_sub":     without("sub"),
		"id_token_without_email":   without("email"),
		"id_token_wrong_at_hash":   set("at_hash", atHash("another token")),
		"id_token_expired":         move(-2 * tokenLifetime),
		"id_token_future":          move(2 * tokenLifetime),
		"id_token_unverified":      set("email_verified", false),
		"id_token_verified_text":   set("email_verified", "true"),
		"id_token_unverified_text": set("email_verified", "false"),
		"id_token_alg_none":        head("alg", "none"),
		"id_token_hs256":           head("alg", "HS256"),
		"id_token_unknown_kid":     head("kid", "0000000000000000000000000000000000000000"),
		"id_token_short_iss": func(claims, _ map[string]any) {
			if issuer, ok := claims["iss"].(string); ok {
				_, claims["iss"], _ = strings.Cut(issuer, "://")
			}
		},
	}
}

// atHash returns the claim that binds an id_token to its access token.
func atHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// idToken returns the id_token of a session, mutated if the rule that applies says
// so.
func (g *Provider) idToken(x *kit.Exchange, session *session, access string) (string, error) {
	claims := g.claims(issuer(x), session.user, session.client, session.scopes)
	claims["at_hash"] = atHash(access)
	if session.nonce != "" {
		claims["nonce"] = session.nonce
	}
	header := map[string]any{}
	if mutate := idTokenMutations()[x.Fault()]; mutate != nil {
		mutate(claims, header)
	}
	if x.Varies(faultNoIDToken) {
		return "", nil
	}
	token, err := g.Sign(claims, header)
	if err != nil || !x.Varies(faultForged) {
		return token, err
	}
	other, err := g.Sign(map[string]any{}, nil)
	if err != nil {
		return "", err
	}
	return token[:strings.LastIndex(token, ".")] + other[strings.LastIndex(other, "."):], nil
}
