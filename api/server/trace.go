package server

import (
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
)

// trace records the span of a request to the API. Probes, the page and its files are not traced.
func (m *middleware) trace(c *gin.Context) {
	if !m.tracing.Enabled() || !isTraced(c) {
		return
	}
	ctx, span := m.tracing.StartRequest(c.Request.Context(), methodOf(c, "_OTHER"), c.FullPath(), c.Request.Header)
	c.Request = c.Request.WithContext(ctx)
	// A handler that aborts its response panics.
	code := "aborted"
	defer func() {
		status := c.Writer.Status()
		span.HTTPStatus(status)
		switch {
		case code == "aborted", status >= http.StatusInternalServerError:
			span.Fail(code)
		case code != "":
			span.ErrorCode(code)
		}
		span.End()
	}()
	c.Next()
	code = problem.CodeOf(c)
}

// isTraced reports whether a request is for the API.
func isTraced(c *gin.Context) bool {
	path := c.FullPath()
	if path == "" {
		path = c.Request.URL.Path
	}
	return strings.HasPrefix(path, "/api/")
}
