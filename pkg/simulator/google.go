package simulator

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// The client that is registered as long as no other list is set. Its redirect
// addresses are all those on this machine.
const (
	GoogleClientID     = "simulated-client.apps.googleusercontent.com"
	GoogleClientSecret = "simulated-secret"
)

// GoogleClient is an application registered with the simulated Google.
type GoogleClient struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	// RedirectURIs are matched byte for byte; when empty, every address of
	// this machine is taken.
	RedirectURIs []string `json:"redirect_uris,omitempty"`
}

// GoogleUser is somebody who has an account with the simulated Google.
type GoogleUser struct {
	// Sub never changes; when empty it follows from the e-mail address.
	Sub      string `json:"sub"`
	Email    string `json:"email"`
	Verified bool   `json:"email_verified"`
	Name     string `json:"name"`
	// Domain is the Workspace domain, which the claim hd tells.
	Domain string `json:"hd,omitempty"`
}

// Google is the handle of a Simulator's Google: its users, clients and keys.
// It is safe for concurrent use.
type Google struct {
	s      *Simulator
	keys   *googleKeys
	grants *googleGrants

	mu      sync.Mutex
	users   []GoogleUser
	clients []GoogleClient
}

// maxGoogleUsers bounds how many strangers the consent page remembers.
const maxGoogleUsers = 200

func newGoogle(s *Simulator) *Google {
	g := &Google{s: s, keys: &googleKeys{}, grants: newGoogleGrants(s.config.Now)}
	g.AddUsers(
		GoogleUser{Email: "ada@example.com", Verified: true, Name: "Ada Lovelace"},
		GoogleUser{Email: "mei@example.com", Verified: true, Name: "林小梅"},
		GoogleUser{Email: "work@example.org", Verified: true, Name: "Grace Hopper", Domain: "example.org"},
		GoogleUser{Email: "unproved@example.com", Name: "Not Proved"},
	)
	g.SetClients()
	return g
}

// Google returns the handle of the simulated Google.
func (s *Simulator) Google() *Google { return s.google }

// GoogleURL returns the issuer of the simulated Google, empty before Start.
func (s *Simulator) GoogleURL() string { return s.under(googlePrefix) }

// Issuer returns the issuer, below which the discovery document lies; it is
// empty before Start of the Simulator.
func (g *Google) Issuer() string { return g.s.GoogleURL() }

// AddUsers adds users, or replaces those with the same Sub. At most the first
// 200 are kept.
func (g *Google) AddUsers(users ...GoogleUser) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, user := range users {
		if user.Sub == "" {
			user.Sub = googleSub(user.Email)
		}
		at := slices.IndexFunc(g.users, func(u GoogleUser) bool { return u.Sub == user.Sub })
		switch {
		case at >= 0:
			g.users[at] = user
		case len(g.users) < maxGoogleUsers:
			g.users = append(g.users, user)
		}
	}
}

// Users returns the users in the order in which the consent page offers them.
func (g *Google) Users() []GoogleUser {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.users)
}

// User returns the user with an e-mail address, or else a new one whose
// address is verified and whose name is what stands before the @.
func (g *Google) User(email string) GoogleUser {
	for _, user := range g.Users() {
		if strings.EqualFold(user.Email, email) {
			return user
		}
	}
	name, _, _ := strings.Cut(email, "@")
	return GoogleUser{Sub: googleSub(email), Email: email, Verified: true, Name: name}
}

// SetClients replaces the registered clients; without any, the default one is
// registered.
func (g *Google) SetClients(clients ...GoogleClient) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(clients) == 0 {
		clients = []GoogleClient{{ID: GoogleClientID, Secret: GoogleClientSecret}}
	}
	g.clients = slices.Clone(clients)
}

// Clients returns the registered clients.
func (g *Google) Clients() []GoogleClient {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.clients)
}

func (g *Google) client(id string) (GoogleClient, bool) {
	clients := g.Clients()
	at := slices.IndexFunc(clients, func(c GoogleClient) bool { return c.ID == id })
	if at < 0 {
		return GoogleClient{}, false
	}
	return clients[at], true
}

// takes reports whether an address is registered for the client.
func (c GoogleClient) takes(redirect string) bool {
	if len(c.RedirectURIs) > 0 {
		return slices.Contains(c.RedirectURIs, redirect)
	}
	u, err := url.Parse(redirect)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.User == nil && !strings.Contains(redirect, "#") && isLoopback(u.Hostname())
}

// googleSub makes the 21 digits of a user out of the e-mail address.
func googleSub(email string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(email)))
	digits := new(big.Int).Mod(new(big.Int).SetBytes(sum[:]), new(big.Int).Exp(big.NewInt(10), big.NewInt(20), nil))
	return fmt.Sprintf("1%020d", digits)
}
