package google

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Client talks to Google. It is safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client
	now  func() time.Time
	keys *keys

	// mu is held while Google is asked where its routes are; others wait for the answer.
	mu        sync.Mutex
	endpoints *endpoints
	// failed is what the last question ended with, and when.
	failed   *Error
	failedAt time.Time
}

// endpoints is where Google's routes are.
type endpoints struct {
	oauth oauth2.Endpoint
	keys  string
}

// failurePause lies between a question that failed and the next one.
const failurePause = 5 * time.Second

// Option changes a new client.
type Option func(*Client)

// WithClock has the time told by another clock.
func WithClock(now func() time.Time) Option { return func(c *Client) { c.now = now } }

// WithTransport has calls sent by another transport.
func WithTransport(t http.RoundTripper) Option { return func(c *Client) { c.http = newHTTP(t) } }

// New returns a client; it asks Google for nothing yet. cfg must be valid and On.
func New(cfg Config, options ...Option) *Client {
	c := &Client{cfg: cfg, http: newHTTP(nil), now: time.Now}
	for _, option := range options {
		option(c)
	}
	c.keys = &keys{http: c.http, now: c.now}
	return c
}

// Start is what somebody who wants to sign in takes along to Google.
type Start struct {
	// Redirect is where Google sends the person back to.
	Redirect string
	// State and Nonce bind the way back and the token to this attempt.
	State, Nonce string
	// Verifier is the secret of PKCE, which only the exchange of the code shows.
	Verifier string
}

// NewVerifier returns a new secret of PKCE.
func NewVerifier() string { return oauth2.GenerateVerifier() }

// AuthURL returns where somebody is sent to sign in. It fails with an *Error when Google cannot be reached. It costs a
// request the first time.
func (c *Client) AuthURL(ctx context.Context, s Start) (string, error) {
	e, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	// Whoever has several accounts chooses; nobody is signed in without a click.
	return c.oauth(e, s.Redirect).AuthCodeURL(s.State, oidc.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier),
		oauth2.AccessTypeOnline, oauth2.SetAuthURLParam("prompt", "select_account")), nil
}

func (c *Client) oauth(e *endpoints, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret.Reveal(), RedirectURL: redirect, Endpoint: e.oauth,
		Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}
}

// discover returns where Google's routes are, which is asked for until it was answered once.
func (c *Client) discover(ctx context.Context) (*endpoints, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.endpoints != nil {
		return c.endpoints, nil
	}
	if c.failed != nil && c.now().Sub(c.failedAt) < failurePause {
		return nil, c.failed
	}
	// It goes on though its caller hangs up: whoever does so again and again shall not have it begun each time.
	e, err := c.ask(context.WithoutCancel(ctx))
	if err != nil {
		c.failed, c.failedAt = asError(err, "discovery failed"), c.now()
		return nil, c.failed
	}
	c.endpoints, c.failed = e, nil
	return e, nil
}

func (c *Client) ask(ctx context.Context) (*endpoints, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, c.http), c.cfg.Issuer)
	if _, is := errors.AsType[*oidc.IssuerMismatchError](err); is {
		return nil, &Error{Kind: KindMisconfigured, Setting: "GOOGLE_ISSUER", Reason: "the discovery document names another issuer than GOOGLE_ISSUER"}
	}
	if err != nil {
		return nil, err
	}
	var more struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&more); err != nil {
		return nil, err
	}
	oauth := provider.Endpoint()
	for _, address := range []string{oauth.AuthURL, oauth.TokenURL, more.Keys} {
		if _, ok := webAddress(address); !ok {
			return nil, unavailable(0, "the discovery document names an address that cannot be used")
		}
	}
	// The way is named: tried out, it would cost a second call with the same code.
	oauth.AuthStyle = oauth2.AuthStyleInParams
	return &endpoints{oauth: oauth, keys: more.Keys}, nil
}
