package server

import (
	"crypto/rand"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const maxRequestID = 128

// identify sets the id of a request: that of the client, so that the logs of several systems can be correlated, or a new
// one.
func identify(c *gin.Context) {
	id := c.GetHeader("X-Request-Id")
	if id == "" || len(id) > maxRequestID || !isVisible(id) {
		id = rand.Text()
	}
	c.Header("X-Request-Id", id)
	c.Request = c.Request.WithContext(telemetry.WithRequestID(c.Request.Context(), id))
	respond.WithDeadlines(c)
}
