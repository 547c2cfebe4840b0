package google

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"time"
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

// authCode is a code that was not redeemed yet.
type authCode struct {
	session
	expires time.Time
}

// token is an access token or a refresh token, which does not expire.
type token struct {
	session *session
	refresh bool
	expires time.Time
}

// grants holds codes and tokens, bounded in number.
type grants struct {
	now func() time.Time

	mu        sync.Mutex
	codes     map[string]authCode
	tokens    map[string]token
	consented map[[2]string]bool // client and sub, of those who have a refresh token
}

func newGrants(now func() time.Time) *grants {
	return &grants{now: now, codes: map[string]authCode{}, tokens: map[string]token{}, consented: map[[2]string]bool{}}
}

// newSecret returns random text behind the prefix that Google uses.
func newSecret(prefix string, bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // It never fails.
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// grant returns a code for a consent.
func (g *grants) grant(a authorization, user User) string {
	code := newSecret("4/0A", 54)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	g.codes[code] = authCode{session: session{authorization: a, user: user}, expires: g.now().Add(codeLifetime)}
	return code
}

// code returns a code without redeeming it.
func (g *grants) code(code string) (authCode, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, ok := g.codes[code]
	return found, ok && found.expires.After(g.now())
}

// redeem removes a code and returns its tokens. The refresh token is empty unless
// the client asked for offline access and the user consents for the first time or
// was asked again. Only one of two concurrent calls succeeds.
func (g *grants) redeem(code string) (access, refresh string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, ok := g.codes[code]
	if !ok {
		return "", "", false
	}
	delete(g.codes, code)
	g.sweep()
	session := &found.session
	access = g.access(session)
	who := [2]string{session.client, session.user.Sub}
	if session.offline && (!g.consented[who] || slices.Contains(strings.Fields(session.prompt), "consent")) {
		refresh = newSecret("1//0", 60)
		g.tokens[refresh] = token{session: session, refresh: true}
		g.consented[who] = true
	}
	return access, refresh, true
}

// renew returns another access token for a refresh token of the client.
func (g *grants) renew(refresh, client string) (access string, session *session, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	token := g.tokens[refresh]
	if !token.refresh || token.session.client != client {
		return "", nil, false
	}
	g.sweep()
	return g.access(token.session), token.session, true
}

func (g *grants) access(session *session) string {
	access := newSecret("ya29.a0A", 96)
	g.tokens[access] = token{session: session, expires: g.now().Add(tokenLifetime)}
	return access
}

// token returns a valid access token.
func (g *grants) token(access string) (token, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	token, ok := g.tokens[access]
	return token, ok && !token.refresh && token.expires.After(g.now())
}

// revoke removes all tokens of the session of a token, and the consent.
func (g *grants) revoke(text string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	token, ok := g.tokens[text]
	if !ok || (!token.refresh && !token.expires.After(g.now())) {
		return false
	}
	for other, t := range g.tokens {
		if t.session == token.session {
			delete(g.tokens, other)
		}
	}
	delete(g.consented, [2]string{token.session.client, token.session.user.Sub})
	return true
}

// sweep makes room: it removes what has expired and, if that is not enough,
// everything.
func (g *grants) sweep() {
	if len(g.codes) >= maxGrants {
		for code, c := range g.codes {
			if !c.expires.After(g.now()) {
				delete(g.codes, code)
			}
		}
		if len(g.codes) >= maxGrants {
			clear(g.codes)
		}
	}
	if len(g.tokens) >= maxGrants {
		for text, t := range g.tokens {
			if !t.refresh && !t.expires.After(g.now()) {
				delete(g.tokens, text)
			}
		}
		if len(g.tokens) >= maxGrants {
			clear(g.tokens)
			clear(g.consented)
		}
	}
}
