package server

import "github.com/gin-gonic/gin"

// Drain begins the end of a server that goes on serving for a while: /readyz answers 503, so that load balancers send no
// more requests, and every connection is closed behind the response that is next on it.
func (s *Server) Drain() { s.draining.Store(true) }

// closeWhileDraining lets no connection stay open for further requests while the server drains.
func (s *Server) closeWhileDraining(c *gin.Context) {
	if s.draining.Load() {
		c.Header("Connection", "close")
	}
	c.Next()
}
