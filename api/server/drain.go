package server

import "github.com/gin-gonic/gin"

// Drain prepares a server that goes on serving for a while to stop: /readyz responds 503, so that load balancers send no
// more requests, and every connection is closed after its next response.
func (s *Server) Drain() { s.draining.Store(true) }

// closeWhileDraining keeps connections from staying open for further requests while the server drains.
func (m *middleware) closeWhileDraining(c *gin.Context) {
	if m.draining.Load() {
		c.Header("Connection", "close")
	}
	c.Next()
}
