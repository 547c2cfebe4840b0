package google

import (
	"errors"
	"net/url"
	"strings"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/hostname"
)

// defaultIssuer is Google itself.
const defaultIssuer = "https://accounts.google.com"

// Config holds the settings of sign-in with Google.
type Config struct {
	ClientID     string     `env:"GOOGLE_CLIENT_ID" doc:"Client ID of the OAuth client at Google; sign-in with Google is off if empty, except that the simulator replaces Google while it is in use and the API and the page are reachable only from this machine."`
	ClientSecret env.Secret `env:"GOOGLE_CLIENT_SECRET" doc:"Client secret of that OAuth client."`
	RedirectURI  string     `env:"GOOGLE_REDIRECT_URI" doc:"Redirect URI, exactly as registered with the client; if empty, the first FRONTEND_URL followed by /auth/google/callback."`
	Issuer       string     `env:"GOOGLE_ISSUER" envDefault:"https://accounts.google.com" doc:"Issuer of the ID tokens; values other than Google's are for tests."`
}

// On reports whether sign-in with Google is configured.
func (c *Config) On() bool { return c.ClientID != "" }

// Validate reports every fault at once, each as a *env.Fault.
func (c *Config) Validate() error {
	var errs []error
	fault := func(name, expected string) { errs = append(errs, &env.Fault{Name: name, Expected: expected}) }
	elsewhere := c.Issuer != "" && c.Issuer != defaultIssuer
	if c.ClientID == "" && (c.ClientSecret != "" || c.RedirectURI != "" || elsewhere) {
		fault("GOOGLE_CLIENT_ID", "the client ID, since another GOOGLE_ variable is set")
	}
	if c.ClientSecret == "" && (c.ClientID != "" || c.RedirectURI != "" || elsewhere) {
		fault("GOOGLE_CLIENT_SECRET", "the client's secret, since another GOOGLE_ variable is set")
	}
	if u, ok := parseWebURL(c.RedirectURI); c.RedirectURI != "" && (!ok || u.RawQuery != "" ||
		strings.HasPrefix(u.Path, "/api/") || strings.HasPrefix(u.Path, "/assets/")) {
		fault("GOOGLE_REDIRECT_URI", "an https URL (or http on loopback) outside /api and /assets, such as https://www.example.org/auth/google/callback")
	}
	if u, ok := parseWebURL(c.Issuer); elsewhere && (!ok || u.RawQuery != "") {
		fault("GOOGLE_ISSUER", "an https URL (or http on loopback)")
	}
	return errors.Join(errs...)
}

// parseWebURL parses a URL and reports whether it is https, or http on loopback, without user and fragment.
func parseWebURL(raw string) (*url.URL, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return nil, false
	}
	return u, u.Scheme == "https" || (u.Scheme == "http" && hostname.IsLoopback(u.Hostname()))
}
