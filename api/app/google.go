package app

import (
	"net"
	"net/url"
	"strings"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/google"
	"github.com/text2image-audio/text2image-audio/pkg/hostname"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
)

// google returns the sign-in with Google, or nil when it is off. Without settings, and for pages on this machine only, the
// simulator replaces Google while it runs.
func (a *App) google() *server.Google {
	cfg := a.cfg.Google
	if s := a.Simulator(); !cfg.On() && s != nil && a.cfg.forOneself() {
		cfg.ClientID, cfg.ClientSecret, cfg.Issuer = simulator.GoogleClientID, env.Secret(simulator.GoogleClientSecret), s.GoogleURL()
	}
	if !cfg.On() {
		return nil
	}
	page := ""
	if u, err := url.Parse(cfg.RedirectURI); err == nil {
		page = u.Path
	}
	return &server.Google{Client: google.New(cfg), Redirect: a.googleRedirect, Page: page}
}

// googleRedirect returns the URL to which Google redirects. On this machine its host is the one by which the page was opened,
// because browsers separate cookies for localhost from those for 127.0.0.1; nothing else in a request matters.
func (a *App) googleRedirect(host string) string {
	if a.cfg.Google.RedirectURI != "" {
		return a.cfg.Google.RedirectURI
	}
	base := a.pageURL()
	if len(a.cfg.Server.FrontendURLs) == 0 {
		_, own, _ := net.SplitHostPort(a.Addr())
		if name, port, err := net.SplitHostPort(strings.ToLower(host)); err == nil && port == own && hostname.IsLoopback(name) {
			base = "http://" + net.JoinHostPort(name, port)
		}
	}
	return base + server.GooglePath
}
