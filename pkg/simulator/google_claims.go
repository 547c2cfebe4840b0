package simulator

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"time"
)

// Claims are those of a good id_token of a user for a client, without a
// nonce, under the Issuer and the clock of the Simulator; Sign makes a token
// of them. What a test wants wrong it changes in between.
func (g *Google) Claims(user GoogleUser, client string) map[string]any {
	if user.Sub == "" {
		user.Sub = googleSub(user.Email)
	}
	return g.claims(g.Issuer(), user, client, googleScopes{openid: true, email: true, profile: true})
}

func (g *Google) claims(issuer string, user GoogleUser, client string, scopes googleScopes) map[string]any {
	now := g.s.config.Now()
	claims := user.about(issuer, scopes)
	claims["iss"], claims["azp"], claims["aud"] = issuer, client, client
	claims["iat"], claims["exp"] = now.Unix(), now.Add(googleTokenLife).Unix()
	return claims
}

// about is what Google tells of a user, in the words of OpenID Connect.
func (u GoogleUser) about(base string, scopes googleScopes) map[string]any {
	fields := map[string]any{"sub": u.Sub}
	if u.Domain != "" {
		fields["hd"] = u.Domain
	}
	if scopes.email {
		fields["email"], fields["email_verified"] = u.Email, u.Verified
	}
	if scopes.profile {
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

// The manners of Google that are no id_token of another sort.
const (
	faultDenied    = "access_denied"    // the user denies, whatever the form says
	faultNoIDToken = "id_token_missing" // tokens without an id_token
	faultForged    = "id_token_forged"  // the signature of another token
)

// spoiler changes a good id_token into a bad or an odd one.
type spoiler func(claims, header map[string]any)

// googleManners are the id_tokens that a rule may ask for. Those without a
// spoiler are looked at elsewhere.
func googleManners() map[string]spoiler {
	set := func(name string, value any) spoiler {
		return func(claims, _ map[string]any) { claims[name] = value }
	}
	without := func(name string) spoiler {
		return func(claims, _ map[string]any) { delete(claims, name) }
	}
	head := func(name string, value any) spoiler {
		return func(_, header map[string]any) { header[name] = value }
	}
	move := func(by time.Duration) spoiler {
		return func(claims, _ map[string]any) {
			for _, name := range []string{"iat", "exp"} {
				if at, ok := claims[name].(int64); ok {
					claims[name] = at + int64(by.Seconds())
				}
			}
		}
	}
	const stranger = "somebody-else.apps.googleusercontent.com"
	return map[string]spoiler{
		faultDenied:    nil,
		faultNoIDToken: nil,
		faultForged:    nil,

		"id_token_wrong_aud":       set("aud", stranger),
		"id_token_wrong_azp":       set("azp", stranger),
		"id_token_wrong_iss":       set("iss", "https://accounts.example.com"),
		"id_token_wrong_nonce":     set("nonce", "of-another-sign-in"),
		"id_token_without_nonce":   without("nonce"),
		"id_token_without_sub":     without("sub"),
		"id_token_without_email":   without("email"),
		"id_token_wrong_at_hash":   set("at_hash", atHash("another token")),
		"id_token_expired":         move(-2 * googleTokenLife),
		"id_token_future":          move(2 * googleTokenLife),
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

// atHash binds an id_token to its access token.
func atHash(access string) string {
	sum := sha256.Sum256([]byte(access))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}

// idToken makes the id_token of a session, spoilt if the rule that matched
// says so.
func (x *exchange) idToken(session *googleSession, access string) (string, error) {
	claims := x.s.google.claims(x.googleBase(), session.user, session.client, session.scopes)
	claims["at_hash"] = atHash(access)
	if session.nonce != "" {
		claims["nonce"] = session.nonce
	}
	header := map[string]any{}
	if x.rule != nil {
		if spoil := googleManners()[x.rule.Fault]; spoil != nil {
			spoil(claims, header)
		}
	}
	if x.behaves(faultNoIDToken) {
		return "", nil
	}
	token, err := x.s.google.Sign(claims, header)
	if err != nil || !x.behaves(faultForged) {
		return token, err
	}
	other, err := x.s.google.Sign(map[string]any{}, nil)
	if err != nil {
		return "", err
	}
	return token[:strings.LastIndex(token, ".")] + other[strings.LastIndex(other, "."):], nil
}
