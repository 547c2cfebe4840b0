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

// Client is a client of Google. It is safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client
	now  func() time.Time
	keys *keys

	// mu is held during discovery; others wait for the result.
	mu        sync.Mutex
	endpoints *endpoints
	// failed is the error of the last discovery, at failedAt.
	failed   *Error
	failedAt time.Time
}

// endpoints are the URLs of the discovery document.
type endpoints struct {
	oauth oauth2.Endpoint
	keys  string
}

// failurePause is the pause between a request that failed and the next one.
const failurePause = 5 * time.Second

// Option changes a new client.
type Option func(*Client)

// WithClock replaces time.Now.
func WithClock(now func() time.Time) Option { return func(c *Client) { c.now = now } }

// WithTransport replaces the transport of requests.
func WithTransport(t http.RoundTripper) Option { return func(c *Client) { c.http = newHTTP(t) } }

// New returns a client. It sends no request yet. cfg must be valid and On.
func New(cfg Config, options ...Option) *Client {
	c := &Client{cfg: cfg, http: newHTTP(nil), now: time.Now}
	for _, option := range options {
		option(c)
	}
	c.keys = &keys{http: c.http, now: c.now}
	return c
}

// Start is one attempt to sign in.
type Start struct {
	// Redirect is the redirect URI.
	Redirect string
	// State and Nonce bind the redirect and the ID token to this attempt.
	State, Nonce string
	// Verifier is the secret of PKCE, which only the exchange of the code reveals.
	Verifier string
}

// NewVerifier returns a new secret for PKCE.
func NewVerifier() string { return oauth2.GenerateVerifier() }

// AuthURL returns the URL at which somebody signs in. It fails with an *Error when Google cannot be reached. It costs a
// request the first time.
func (c *Client) AuthURL(ctx context.Context, s Start) (string, error) {
	e, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	// People with several accounts choose one; nobody is signed in without a click.
	return c.oauth(e, s.Redirect).AuthCodeURL(s.State, oidc.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier),
		oauth2.AccessTypeOnline, oauth2.SetAuthURLParam("prompt", "select_account")), nil
}

func (c *Client) oauth(e *endpoints, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret.Reveal(), RedirectURL: redirect, Endpoint: e.oauth,
		Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}
}

// discover returns Google's endpoints, which it requests until it has succeeded once.
func (c *Client) discover(ctx context.Context) (*endpoints, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.endpoints != nil {
		return c.endpoints, nil
	}
	if c.failed != nil && c.now().Sub(c.failedAt) < failurePause {
		return nil, c.failed
	}
	// Discovery continues when the caller disconnects, so that repeated disconnects do not restart it each time.
	e, err := c.requestEndpoints(context.WithoutCancel(ctx))
	if err != nil {
		c.failed, c.failedAt = asError(err, "discovery failed"), c.now()
		return nil, c.failed
	}
	c.endpoints, c.failed = e, nil
	return e, nil
}

func (c *Client) requestEndpoints(ctx context.Context) (*endpoints, error) {
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
	for _, endpoint := range []string{oauth.AuthURL, oauth.TokenURL, more.Keys} {
		if _, ok := parseWebURL(endpoint); !ok {
			return nil, unavailable(0, "the discovery document names a URL that cannot be used")
		}
	}
	// Named, since to find it out would cost a second request with the same code.
	oauth.AuthStyle = oauth2.AuthStyleInParams
	return &endpoints{oauth: oauth, keys: more.Keys}, nil
}
