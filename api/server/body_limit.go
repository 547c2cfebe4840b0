package server

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// limitBody refuses a body that says it is too large, whatever the route, and cuts one that does not say.
func (s *Server) limitBody(c *gin.Context) {
	if c.Request.ContentLength > maxBody {
		// Nobody reads the rest, hence the connection cannot be used again.
		c.Header("Connection", "close")
		s.fail(c, tooLarge())
		return
	}
	if c.Request.Body != nil {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxBody)
	}
}
