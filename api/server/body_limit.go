package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
)

// limitBody rejects a request whose Content-Length exceeds limit bytes, and limits how much can be read of any other body.
func (m *middleware) limitBody(limit int64) gin.HandlerFunc {
	return func(c *gin.Context) {
		if c.Request.ContentLength > limit {
			// The body stays unread, so the connection cannot be reused.
			c.Header("Connection", "close")
			m.problems.Write(c, bind.TooLarge(limit))
			return
		}
		if c.Request.Body != nil {
			c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, limit)
		}
	}
}
