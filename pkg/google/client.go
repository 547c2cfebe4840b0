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

// Client signs users in with Google. It is safe for concurrent use.
type Client struct {
	cfg  Config
	http *http.Client
	now  func() time.Time
	keys *keys

	// mu is held during discovery; concurrent callers wait for the result.
	mu        sync.Mutex
	endpoints *endpoints
	failed    *Error // error of the last discovery
	failedAt  time.Time
}

// endpoints are the URLs of the discovery document.
type endpoints struct {
	oauth oauth2.Endpoint
	keys  string
}

// failurePause is the delay after a failed request before the next one.
const failurePause = 5 * time.Second

// Option configures a Client.
type Option func(*Client)

// WithClock replaces time.Now.
func WithClock(now func() time.Time) Option { return func(c *Client) { c.now = now } }

// New returns a client. cfg must be valid and On. It sends no request.
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
	Redirect string // redirect URI
	// State and Nonce bind the redirect and the ID token to this attempt.
	State, Nonce string
	// Verifier is the PKCE secret, which is sent only in the exchange of the code.
	Verifier string
}

// NewVerifier returns a new PKCE secret.
func NewVerifier() string { return oauth2.GenerateVerifier() }

// AuthURL returns the URL of Google's sign-in page for an attempt. It returns an *Error when discovery fails. It costs a
// request the first time.
func (c *Client) AuthURL(ctx context.Context, s Start) (string, error) {
	e, err := c.discover(ctx)
	if err != nil {
		return "", err
	}
	// Always show the account chooser, so that no user is signed in without a click.
	return c.oauth(e, s.Redirect).AuthCodeURL(s.State, oidc.Nonce(s.Nonce), oauth2.S256ChallengeOption(s.Verifier),
		oauth2.AccessTypeOnline, oauth2.SetAuthURLParam("prompt", "select_account")), nil
}

func (c *Client) oauth(e *endpoints, redirect string) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.cfg.ClientID, ClientSecret: c.cfg.ClientSecret.Reveal(), RedirectURL: redirect, Endpoint: e.oauth,
		Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}
}

// discover returns Google's endpoints. It caches them after the first success.
func (c *Client) discover(ctx context.Context) (*endpoints, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.endpoints != nil {
		return c.endpoints, nil
	}
	if c.failed != nil && c.now().Sub(c.failedAt) < failurePause {
		return nil, c.failed
	}
	// Continue if the caller disconnects, so that repeated disconnects do not restart discovery.
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
		return nil, &Error{Kind: KindMisconfigured, Setting: "GOOGLE_ISSUER", Reason: "the issuer in the discovery document differs from GOOGLE_ISSUER"}
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
			return nil, unavailable(0, "the discovery document contains an invalid URL")
		}
	}
	// Set explicitly, since detecting it would cost a second request with the same code.
	oauth.AuthStyle = oauth2.AuthStyleInParams
	return &endpoints{oauth: oauth, keys: more.Keys}, nil
}
