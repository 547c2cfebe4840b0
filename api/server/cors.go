package server

import (
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
)

const (
	// corsAge is how long a browser may remember that it may ask, in seconds.
	corsAge = "86400"
	// corsMethods are those that some route takes.
	corsMethods = "GET, HEAD, POST, DELETE, OPTIONS"
	// corsExposed are the headers that scripts of other origins may read beside the few that they always may.
	corsExposed = "Content-Disposition, ETag, Idempotent-Replayed, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, Warning, X-Job-Id, X-Request-Id"
	// maxCORSHeaders bounds what is repeated of the headers that somebody wants to send.
	maxCORSHeaders = 1024
)

// cors lets pages of trusted origins read what the API answers, and answers the questions that browsers ask before that.
// Without such origins it does nothing.
func (m *middleware) cors(c *gin.Context) {
	origin := c.GetHeader("Origin")
	if origin == "" || !strings.HasPrefix(c.Request.URL.Path, "/api/") {
		return
	}
	trusted := slices.Contains(m.origins, strings.ToLower(origin))
	if trusted {
		c.Header("Access-Control-Allow-Origin", origin)
		c.Header("Access-Control-Allow-Credentials", "true")
		c.Header("Access-Control-Expose-Headers", corsExposed)
	}
	if c.Request.Method != http.MethodOptions || c.GetHeader("Access-Control-Request-Method") == "" {
		return
	}
	respond.Vary(c, "Access-Control-Request-Method", "Access-Control-Request-Headers")
	if !trusted {
		m.problems.Write(c, problem.New(problem.CodeCrossOrigin))
		return
	}
	c.Header("Access-Control-Allow-Methods", corsMethods)
	if wanted := c.GetHeader("Access-Control-Request-Headers"); wanted != "" && len(wanted) <= maxCORSHeaders {
		c.Header("Access-Control-Allow-Headers", wanted)
	}
	c.Header("Access-Control-Max-Age", corsAge)
	respond.Empty(c, http.StatusNoContent)
	c.Abort()
}
