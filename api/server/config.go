package server

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/text2image-audio/text2image-audio/api/internal/hooks"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// Config holds the settings of the HTTP API.
type Config struct {
	SyncWait       time.Duration `env:"SYNC_WAIT" envDefault:"150s" doc:"How long the synchronous routes wait for their job before they answer 504."`
	HealthToken    env.Secret    `env:"HEALTH_CHECK_TOKEN" doc:"Token that /internal/health requires; none if empty."`
	TrustedProxies []string      `env:"TRUSTED_PROXIES" doc:"Addresses or networks of proxies whose X-Forwarded-For and X-Forwarded-Proto are trusted, separated by commas."`

	// Config holds the settings of submissions.
	jobs.Config

	FrontendURLs   []string   `env:"FRONTEND_URL" doc:"URLs of front ends on other hosts, separated by commas; their origins are trusted."`
	AdminKey       env.Secret `env:"ADMIN_KEY" doc:"Key for the operator routes under /api/admin and the commands that use them, at least 8 characters; the routes are off if empty. It creates the API keys of operators."`
	PublicHosts    []string   `env:"PUBLIC_HOSTS" doc:"Host names by which clients reach the API, with or without a port, separated by commas. A request for another host returns 421, which protects against DNS rebinding. * allows all. If empty, all are allowed, but on loopback without TRUSTED_PROXIES only localhost, loopback addresses and the hosts of FRONTEND_URL."`
	AllowedOrigins string     `env:"ALLOWED_ORIGINS" doc:"Further origins that may send requests, separated by commas or spaces."`
	MaxSignups     int        `env:"SIGNUPS_PER_HOUR" envDefault:"5" doc:"Accounts that may be created per hour from one IPv4 address or IPv6 /64, counted across all processes; 0 means no limit."`

	MaxStreamsPerCaller int `env:"MAX_STREAMS_PER_CALLER" envDefault:"20" doc:"Event streams that one caller may have open at once; members are identified by account, guests by cookie, others by address. All guests at one address together may have ten times as many. A member, and all guests at one address together, may have ten times as many requests that wait for a job (?wait=). Counted per process; 0 means no limit."`
	MaxStreams          int `env:"MAX_STREAMS" envDefault:"2000" doc:"Event streams that one process serves at once, and separately as many requests that wait for a job; further ones return 503. A stream uses about 15 KB of memory, a waiting request up to 100 KB. 0 means no limit."`

	MaxPending int `env:"MAX_PENDING_SUBMISSIONS" envDefault:"4096" doc:"Submissions of one process that may wait for NATS to store them, at most half of them from one address; further ones return 503. Each uses about 60 KB of memory meanwhile."`

	Quota quota.Config

	// Loopback reports that only this machine can reach the server; the program sets it.
	Loopback bool `env:"-"`

	hooks hooks.Server
}

// SetHooks lets tests change what is no setting.
func (c *Config) SetHooks(set func(*hooks.Server)) { set(&c.hooks) }

// Validate reports all invalid settings at once, each as a *env.Fault.
func (c *Config) Validate() error {
	var errs []error
	fault := func(name, expected string) { errs = append(errs, &env.Fault{Name: name, Expected: expected}) }
	if c.SyncWait <= 0 {
		fault("SYNC_WAIT", "a duration above zero")
	}
	if c.AdminKey != "" && len(c.AdminKey) < minAdminKey {
		fault("ADMIN_KEY", "at least 8 characters")
	}
	for _, limit := range []struct {
		name  string
		value int
	}{{"SIGNUPS_PER_HOUR", c.MaxSignups}, {"MAX_STREAMS_PER_CALLER", c.MaxStreamsPerCaller}, {"MAX_STREAMS", c.MaxStreams}} {
		if limit.value < 0 {
			fault(limit.name, "a whole number, 0 for no limit")
		}
	}
	if c.MaxPending < 1 {
		fault("MAX_PENDING_SUBMISSIONS", "a whole number of at least 1")
	}
	_, proxiesErr := parseNetworks(c.TrustedProxies)
	_, originsErr := c.origins()
	_, hostsErr := c.hosts()
	return errors.Join(append(errs, c.Quota.Validate(), c.Config.Validate(), proxiesErr, originsErr, hostsErr)...)
}

// minAdminKey is the minimum length of ADMIN_KEY. Guesses are limited, so it can be shorter than JWT_SECRET.
const minAdminKey = 8

// origins returns the origins that may send requests from another site.
func (c *Config) origins() ([]string, error) {
	var origins []string
	var errs []error
	faulty := map[string]bool{}
	add := func(name, raw string) {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
			if !faulty[name] {
				errs = append(errs, &env.Fault{Name: name, Expected: "addresses such as https://www.example.org"})
			}
			faulty[name] = true
			return
		}
		// Browsers omit the default port of the scheme.
		host := strings.TrimSuffix(strings.ToLower(u.Host), map[string]string{"http": ":80", "https": ":443"}[u.Scheme])
		origins = append(origins, u.Scheme+"://"+host)
	}
	for _, raw := range c.FrontendURLs {
		add("FRONTEND_URL", raw)
	}
	isGap := func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\n' || r == '\r' }
	for _, raw := range strings.FieldsFunc(c.AllowedOrigins, isGap) {
		add("ALLOWED_ORIGINS", raw)
	}
	return origins, errors.Join(errs...)
}

// parseNetworks parses addresses and networks.
func parseNetworks(list []string) (session.Proxies, error) {
	networks := make(session.Proxies, 0, len(list))
	for _, raw := range list {
		if addr, err := netip.ParseAddr(raw); err == nil {
			networks = append(networks, netip.PrefixFrom(addr, addr.BitLen()))
			continue
		}
		network, err := netip.ParsePrefix(raw)
		if err != nil {
			return nil, &env.Fault{Name: "TRUSTED_PROXIES", Expected: "addresses or networks such as 10.0.0.0/8"}
		}
		networks = append(networks, network.Masked())
	}
	return networks, nil
}
