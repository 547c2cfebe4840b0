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

// google returns how people sign in with Google, nil when they cannot. While the simulator serves, for pages of this
// machine alone, it stands in for a Google that nobody has set up.
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

// googleRedirect returns where Google sends people back to. On this machine it is the name by which the page was opened,
// since a browser keeps cookies for localhost apart from those for 127.0.0.1; no other word of a request counts.
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
