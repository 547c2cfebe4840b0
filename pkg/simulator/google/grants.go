package google

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// The prefixes of codes and tokens, by which their kinds differ.
const (
	codePrefix    = "4/0A"
	accessPrefix  = "ya29.a0A" //nolint:gosec // It is no secret, but how Google's tokens begin.
	refreshPrefix = "1//0"
)

const (
	codeLifetime  = 10 * time.Minute
	tokenLifetime = time.Hour
	maxGrants     = 10_000
)

// session is a consent. All its tokens are revoked together.
type session struct {
	authorization
	user User
}

// grant is a code that was not redeemed yet, an access token, or a refresh token,
// which does not expire.
type grant struct {
	session *session
	expires time.Time
}

// grants holds codes and tokens, bounded in number.
type grants struct {
	now func() time.Time

	mu        sync.Mutex
	issued    map[string]grant
	consented map[[2]string]bool // client and sub, of those who have a refresh token
}

func newGrants(now func() time.Time) *grants {
	return &grants{now: now, issued: map[string]grant{}, consented: map[[2]string]bool{}}
}

// issue returns a new code or token. A lifetime of zero does not end. The mutex must
// be locked.
func (g *grants) issue(prefix string, session *session, lifetime time.Duration) string {
	if len(g.issued) >= maxGrants {
		maps.DeleteFunc(g.issued, func(_ string, old grant) bool { return g.expired(old) })
	}
	if len(g.issued) >= maxGrants {
		clear(g.issued)
		clear(g.consented)
	}
	secret := make([]byte, 60)
	_, _ = rand.Read(secret) // It never fails.
	text, issued := prefix+base64.RawURLEncoding.EncodeToString(secret), grant{session: session}
	if lifetime > 0 {
		issued.expires = g.now().Add(lifetime)
	}
	g.issued[text] = issued
	return text
}

func (g *grants) expired(one grant) bool { return !one.expires.IsZero() && !one.expires.After(g.now()) }

// valid returns a code or token with one of the prefixes. The mutex must be locked.
func (g *grants) valid(text string, prefixes ...string) (grant, bool) {
	found, ok := g.issued[text]
	return found, ok && !g.expired(found) && slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(text, prefix) })
}

// newCode returns a code for a consent.
func (g *grants) newCode(a authorization, user User) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.issue(codePrefix, &session{authorization: a, user: user}, codeLifetime)
}

// find returns the session of a valid code or token with the given prefix. Without
// one, the session is empty.
func (g *grants) find(prefix, text string) (s *session, expires time.Time, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, ok := g.valid(text, prefix)
	if !ok {
		return &session{}, time.Time{}, false
	}
	return found.session, found.expires, true
}

// redeem removes a code and returns its tokens. The refresh token is empty unless
// the client asked for offline access and the user consents for the first time or
// was asked again. Only one of two concurrent calls succeeds.
func (g *grants) redeem(code string) (access, refresh string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, ok := g.valid(code, codePrefix)
	if !ok {
		return "", "", false
	}
	delete(g.issued, code)
	s := found.session
	access = g.issue(accessPrefix, s, tokenLifetime)
	who := [2]string{s.client, s.user.Sub}
	if s.offline && (!g.consented[who] || slices.Contains(strings.Fields(s.prompt), "consent")) {
		refresh = g.issue(refreshPrefix, s, 0)
		g.consented[who] = true
	}
	return access, refresh, true
}

// renew returns another access token for a refresh token of the client.
func (g *grants) renew(refresh, client string) (access string, s *session, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, ok := g.valid(refresh, refreshPrefix)
	if !ok || found.session.client != client {
		return "", nil, false
	}
	return g.issue(accessPrefix, found.session, tokenLifetime), found.session, true
}

// revoke removes all tokens of the session of a token, and the consent.
func (g *grants) revoke(token string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, ok := g.valid(token, accessPrefix, refreshPrefix)
	if !ok {
		return false
	}
	maps.DeleteFunc(g.issued, func(_ string, other grant) bool { return other.session == found.session })
	delete(g.consented, [2]string{found.session.client, found.session.user.Sub})
	return true
}
