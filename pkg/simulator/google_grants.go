package simulator

import (
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	googleCodeLife  = 10 * time.Minute
	googleTokenLife = time.Hour
	maxGoogleGrants = 10_000
)

// googleSession is what one consent has given: all tokens of it live and die
// together.
type googleSession struct {
	authorization
	user GoogleUser
}

// googleCode is a code that was not redeemed yet.
type googleCode struct {
	googleSession
	expires time.Time
}

// googleToken is an access or a refresh token; the latter does not expire.
type googleToken struct {
	session *googleSession
	refresh bool
	expires time.Time
}

// googleGrants holds codes and tokens, bounded in number.
type googleGrants struct {
	now func() time.Time

	mu        sync.Mutex
	codes     map[string]googleCode
	tokens    map[string]googleToken
	consented map[[2]string]bool // client and sub, of those who have a refresh token
}

func newGoogleGrants(now func() time.Time) *googleGrants {
	return &googleGrants{now: now, codes: map[string]googleCode{}, tokens: map[string]googleToken{}, consented: map[[2]string]bool{}}
}

// secretText is random text behind a prefix by which Google's are known.
func secretText(prefix string, bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // It never fails.
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// grant makes the code for a consent.
func (g *googleGrants) grant(a authorization, user GoogleUser) string {
	code := secretText("4/0A", 54)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweep()
	g.codes[code] = googleCode{googleSession: googleSession{authorization: a, user: user}, expires: g.now().Add(googleCodeLife)}
	return code
}

// code looks at a code without spending it.
func (g *googleGrants) code(code string) (googleCode, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, ok := g.codes[code]
	return found, ok && found.expires.After(g.now())
}

// redeem spends a code and gives its tokens; the refresh token is empty unless
// the client asked for offline access and the user consents for the first
// time or was asked to anew. Of two who redeem one code, one is told no.
func (g *googleGrants) redeem(code string) (access, refresh string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	found, there := g.codes[code]
	if !there {
		return "", "", false
	}
	delete(g.codes, code)
	g.sweep()
	session := &found.googleSession
	access = g.access(session)
	who := [2]string{session.client, session.user.Sub}
	if session.offline && (!g.consented[who] || slices.Contains(strings.Fields(session.prompt), "consent")) {
		refresh = secretText("1//0", 60)
		g.tokens[refresh] = googleToken{session: session, refresh: true}
		g.consented[who] = true
	}
	return access, refresh, true
}

// renew gives another access token for a refresh token of the client.
func (g *googleGrants) renew(refresh, client string) (access string, session *googleSession, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	token := g.tokens[refresh]
	if !token.refresh || token.session.client != client {
		return "", nil, false
	}
	g.sweep()
	return g.access(token.session), token.session, true
}

func (g *googleGrants) access(session *googleSession) string {
	access := secretText("ya29.a0A", 96)
	g.tokens[access] = googleToken{session: session, expires: g.now().Add(googleTokenLife)}
	return access
}

// token finds an access token that is still good.
func (g *googleGrants) token(access string) (googleToken, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	token, ok := g.tokens[access]
	return token, ok && !token.refresh && token.expires.After(g.now())
}

// revoke ends a token and all others of its session, and forgets the consent.
func (g *googleGrants) revoke(text string) bool {
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

// sweep makes room: first what has expired goes, then, should that not do,
// everything.
func (g *googleGrants) sweep() {
	if len(g.codes) >= maxGoogleGrants {
		for code, c := range g.codes {
			if !c.expires.After(g.now()) {
				delete(g.codes, code)
			}
		}
		if len(g.codes) >= maxGoogleGrants {
			clear(g.codes)
		}
	}
	if len(g.tokens) >= maxGoogleGrants {
		for text, t := range g.tokens {
			if !t.refresh && !t.expires.After(g.now()) {
				delete(g.tokens, text)
			}
		}
		if len(g.tokens) >= maxGoogleGrants {
			clear(g.tokens)
			clear(g.consented)
		}
	}
}
