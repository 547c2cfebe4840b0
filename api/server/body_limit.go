package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
)

// limitBody refuses a body that says it is too large, whatever the route, and cuts one that does not say.
func (s *Server) limitBody(c *gin.Context) { s.limitBodyTo(c, bind.MaxBody) }

// limitPictureBody is limitBody for the route that takes pictures.
func (s *Server) limitPictureBody(c *gin.Context) { s.limitBodyTo(c, maxPictureBody) }

func (s *Server) limitBodyTo(c *gin.Context, most int64) {
	if c.Request.ContentLength > most {
		// Nobody reads the rest, hence the connection cannot be used again.
		c.Header("Connection", "close")
		s.problems.Write(c, bind.TooLarge(most))
		return
	}
	if c.Request.Body != nil {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, most)
	}
}
