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

// hosts returns the hosts for which the server answers: those of PUBLIC_HOSTS or, on loopback without a proxy, this
// machine and the hosts of FRONTEND_URL. Elsewhere it cannot know by which names it is reached, and answers for all.
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
	// One whose host is no name is reported as a fault of FRONTEND_URL, if it is one.
	list, _ = hostname.Parse(frontends)
	return list.With(hostname.Loopback()), nil
}

// checkHost refuses a request to a host that is not one of this server's: the page of another site whose name was made
// to point here. The probes tell nothing, and whoever sends them may know but an address. A browser never leaves out the
// host, hence a request without one, of HTTP/1.0, is let through.
func (m *middleware) checkHost(c *gin.Context) {
	r := c.Request
	if r.Host == "" || r.URL.Path == "/livez" || r.URL.Path == "/readyz" || m.hosts.Allows(r.Host) {
		return
	}
	// The operator's commands on the same machine.
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && hostname.IsLoopbackAddress(local.String()) && hostname.Loopback().Allows(r.Host) {
		return
	}
	m.problems.Write(c, problem.New(problem.CodeHost))
}
