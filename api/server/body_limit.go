package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
)

// limitBody rejects a body that is declared to be larger than limit bytes, whatever the route, and cuts off one that is
// larger without saying so.
func (m *middleware) limitBody(limit int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.ContentLength > limit {
			// Nobody reads the body, so the connection cannot be used again.
			c.Header("Connection", "close")
			m.problems.Write(c, bind.TooLarge(limit))
			return
		}
		if c.Request.Body != nil {
			c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, limit)
		}
	}
}
