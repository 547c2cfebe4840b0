package server

import (
	"net"
	"net/http"
	"net/url"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/hostname"
)

// hosts returns the hosts that the server serves: those of PUBLIC_HOSTS or, on loopback without a proxy, this machine
// and the hosts of FRONTEND_URL. Otherwise it returns all hosts, since the public host names are unknown.
func (c *Config) hosts() (hostname.List, error) {
	list, err := hostname.Parse(c.PublicHosts)
	switch {
	case err != nil:
		return hostname.List{}, &env.Fault{Name: "PUBLIC_HOSTS", Expected: "host names such as api.example.org or api.example.org:8443, or *"}
	case len(c.PublicHosts) > 0:
		return list, nil
	case !c.Loopback:
		return hostname.All(), nil
	}
	var frontends []string
	for _, raw := range c.FrontendURLs {
		if u, err := url.Parse(raw); err == nil {
			frontends = append(frontends, u.Hostname())
		}
	}
	// An invalid host is reported as a fault of FRONTEND_URL.
	list, _ = hostname.Parse(frontends)
	return list.With(hostname.Loopback()), nil
}

// checkHost rejects requests for other hosts, which protects against DNS rebinding. Probes are exempt: they reveal nothing,
// and their callers may only know an IP address. Requests without a host (HTTP/1.0) are allowed, since browsers always send
// one.
func (m *middleware) checkHost(c *gin.Context) {
	r := c.Request
	if r.Host == "" || r.URL.Path == "/livez" || r.URL.Path == "/readyz" || m.hosts.Allows(r.Host) {
		return
	}
	// Commands of an operator on the same machine use a loopback address.
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if ok && hostname.IsLoopbackAddress(local.String()) && hostname.Loopback().Allows(r.Host) {
		return
	}
	m.problems.Write(c, problem.New(problem.CodeHost))
}
