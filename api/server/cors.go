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
	// corsAge is how long a browser may cache a preflight response, in seconds.
	corsAge = "86400"
	// corsMethods are the methods that the routes use.
	corsMethods = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
	// corsExposed are the response headers that scripts of other origins may read, besides the safelisted ones.
	corsExposed = "Content-Disposition, ETag, Idempotent-Replayed, Location, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, Warning, X-Job-Id, X-Ratelimit-Limit-Requests, X-Ratelimit-Remaining-Requests, X-Ratelimit-Reset-Requests, X-Request-Id, X-Should-Retry"
	// maxCORSHeaders bounds the length of an Access-Control-Request-Headers that is echoed.
	maxCORSHeaders = 1024
)

// cors lets pages of trusted origins read the responses of the API, and responds to preflight requests. Without such
// origins it does nothing.
func (m *middleware) cors(c *gin.Context) {
	origin := c.GetHeader("Origin")
	if path := c.Request.URL.Path; origin == "" || (!strings.HasPrefix(path, "/api/") && !isOpenAIPath(path)) {
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
