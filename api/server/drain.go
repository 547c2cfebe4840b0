package server

import "github.com/gin-gonic/gin"

// Drain prepares the server for a stop while it continues to serve: /readyz responds 503, so that load balancers send no
// more requests, and every connection is closed after its next response.
func (s *Server) Drain() { s.handlers.draining.Store(true) }

// closeWhileDraining closes connections after their next response while the server drains.
func (m *middleware) closeWhileDraining(c *gin.Context) {
	if m.draining.Load() {
		c.Header("Connection", "close")
	}
	c.Next()
}
