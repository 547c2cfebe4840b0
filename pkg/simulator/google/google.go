// Package google simulates the parts of Google that a sign-in needs: the discovery
// document, the consent page, tokens, keys and profiles. Everything is checked as
// Google does, because clients are tested against it.
package google

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/hostname"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
)

// Prefix is the path below which the host is served.
const Prefix = "/google"

// The default client, which is registered unless SetClients replaces it. It may
// redirect to every URL of this machine.
const (
	ClientID     = "simulated-client.apps.googleusercontent.com"
	ClientSecret = "simulated-secret"
)

// Client is an application registered with the simulated Google.
type Client struct {
	ID     string `json:"id"`
	Secret string `json:"secret"`
	// RedirectURIs are matched byte for byte; when empty, every URL of this machine
	// is accepted.
	RedirectURIs []string `json:"redirect_uris,omitempty"`
}

// User is a user of the simulated Google.
type User struct {
	// Sub never changes; when empty it is derived from the email address.
	Sub      string `json:"sub"`
	Email    string `json:"email"`
	Verified bool   `json:"email_verified"`
	Name     string `json:"name"`
	// Domain is the Workspace domain, the claim hd.
	Domain string `json:"hd,omitempty"`
}

// Provider is the simulated Google: its users, clients and keys. It is safe for
// concurrent use.
type Provider struct {
	now    func() time.Time
	url    func() string
	keys   *keySet
	grants *grants

	mu      sync.Mutex
	users   []User
	clients []Client
}

// maxUsers bounds the users that the consent page remembers.
const maxUsers = 200

// New returns a provider with a few users and the default client. The function
// url returns the issuer.
func New(now func() time.Time, url func() string) *Provider {
	g := &Provider{now: now, url: url, keys: &keySet{}, grants: newGrants(now)}
	g.AddUsers(
		User{Email: "ada@example.com", Verified: true, Name: "Ada Lovelace"},
		User{Email: "mei@example.com", Verified: true, Name: "林小梅"},
		User{Email: "work@example.org", Verified: true, Name: "Grace Hopper", Domain: "example.org"},
		User{Email: "unproved@example.com", Name: "Not Proved"},
	)
	g.SetClients()
	return g
}

// Host returns the provider as a host of a simulator.
func (g *Provider) Host() *kit.Host {
	return &kit.Host{
		Dialect: kit.DialectGoogle, Prefix: Prefix, BasePath: Prefix,
		Routes: []kit.Route{
			{Method: http.MethodGet, Path: "/.well-known/openid-configuration", Kind: kit.KindDiscovery, Handle: kit.JSON(false, discovery)},
			{Method: http.MethodGet, Path: "/o/oauth2/v2/auth", Kind: kit.KindAuthorize, Handle: g.consent},
			{Method: http.MethodPost, Path: "/o/oauth2/v2/auth", Kind: kit.KindAuthorize, Handle: g.decide},
			{Method: http.MethodPost, Path: "/token", Kind: kit.KindToken, Handle: g.exchangeToken},
			{Method: http.MethodGet, Path: "/oauth2/v3/certs", Kind: kit.KindCerts, Handle: g.certs},
			{Method: http.MethodGet, Path: "/v1/userinfo", Kind: kit.KindUserinfo, Handle: g.userinfo},
			{Method: http.MethodGet, Path: "/oauth2/v3/userinfo", Kind: kit.KindUserinfo, Handle: g.userinfo},
			{Method: http.MethodGet, Path: "/oauth2/v2/userinfo", Kind: kit.KindUserinfo, Handle: g.userinfoV2},
			{Method: http.MethodGet, Path: "/tokeninfo", Kind: kit.KindTokenInfo, Handle: g.tokenInfo},
			{Method: http.MethodPost, Path: "/revoke", Kind: kit.KindRevoke, Handle: g.revoke},
			{Method: http.MethodGet, Path: "/a/*", Handle: avatar},
		},
		Control: []kit.Route{
			{Method: http.MethodGet, Path: "google/users", Handle: g.listUsers},
			{Method: http.MethodPost, Path: "google/users", Handle: g.addUser},
			{Method: http.MethodGet, Path: "google/clients", Handle: g.listClients},
			{Method: http.MethodPost, Path: "google/clients", Handle: g.setClients},
			{Method: http.MethodPost, Path: "google/rotate", Handle: g.rotateKeys},
			{Method: http.MethodPost, Path: "google/id_token", Handle: g.signToken},
		},
		WriteFailure: writeFailure, Faults: faults(),
	}
}

// AddUsers adds users, or replaces those with the same Sub. Only the first 200 are
// kept.
func (g *Provider) AddUsers(users ...User) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, user := range users {
		user.Sub = cmp.Or(user.Sub, subjectOf(user.Email))
		at := slices.IndexFunc(g.users, func(u User) bool { return u.Sub == user.Sub })
		switch {
		case at >= 0:
			g.users[at] = user
		case len(g.users) < maxUsers:
			g.users = append(g.users, user)
		}
	}
}

// Users returns the users in the order of the consent page.
func (g *Provider) Users() []User {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.users)
}

// User returns the user with an email address, or else a new one whose address is
// verified and whose name is the part before the @.
func (g *Provider) User(email string) User {
	for _, user := range g.Users() {
		if strings.EqualFold(user.Email, email) {
			return user
		}
	}
	name, _, _ := strings.Cut(email, "@")
	return User{Sub: subjectOf(email), Email: email, Verified: true, Name: name}
}

// SetClients replaces the registered clients; without any, the default client is
// registered.
func (g *Provider) SetClients(clients ...Client) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(clients) == 0 {
		clients = []Client{{ID: ClientID, Secret: ClientSecret}}
	}
	g.clients = slices.Clone(clients)
}

// Clients returns the registered clients.
func (g *Provider) Clients() []Client {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.clients)
}

func (g *Provider) client(id string) (Client, bool) {
	for _, c := range g.Clients() {
		if c.ID == id {
			return c, true
		}
	}
	return Client{}, false
}

// allows reports whether a redirect URI is registered for the client.
func (c Client) allows(redirect string) bool {
	if len(c.RedirectURIs) > 0 {
		return slices.Contains(c.RedirectURIs, redirect)
	}
	u, err := url.Parse(redirect)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.User == nil && !strings.Contains(redirect, "#") && hostname.IsLoopback(u.Hostname())
}

// subjectOf derives the 21 digits of a subject from an email address.
func subjectOf(email string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(email)))
	return fmt.Sprintf("1%020d", binary.BigEndian.Uint64(sum[:]))
}
