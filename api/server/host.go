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
// and the hosts of FRONTEND_URL. Elsewhere it cannot know the names under which it is reached, and serves all.
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
	// An invalid one is reported as a fault of FRONTEND_URL.
	list, _ = hostname.Parse(frontends)
	return list.With(hostname.Loopback()), nil
}

// checkHost rejects a request to a host that is not one of this server's, as a DNS rebinding attack sends it. The probes
// reveal nothing, and their callers may only know an IP address. A browser never omits the host, so HTTP/1.0 requests
// without one are allowed.
func (m *middleware) checkHost(c *gin.Context) {
	r := c.Request
	if r.Host == "" || r.URL.Path == "/livez" || r.URL.Path == "/readyz" || m.hosts.Allows(r.Host) {
		return
	}
	// The commands of an operator on the same machine.
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if ok && hostname.IsLoopbackAddress(local.String()) && hostname.Loopback().Allows(r.Host) {
		return
	}
	m.problems.Write(c, problem.New(problem.CodeHost))
}
