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

// google returns the sign-in with Google, or nil if it is off. If it is not configured and the page is served on this machine
// only, the simulator, if it runs, replaces Google.
func (a *App) google() *server.Google {
	cfg := a.cfg.Google
	if s := a.Simulator(); !cfg.On() && s != nil && a.cfg.localPage() {
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

// googleRedirect returns the redirect URL for Google. On a loopback address its host is the Host of the request, because
// browsers keep cookies for localhost and 127.0.0.1 apart. Other hosts in a request are ignored.
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
