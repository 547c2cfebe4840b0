package server

import (
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
)

// checkPath rejects a path that matches a route only once it is decoded or cleaned. Routes match the decoded path, but a
// proxy that restricts /api/admin may compare the raw one. Parameters may be percent-encoded, except for separators.
func (m *middleware) checkPath(c *gin.Context) {
	written := c.Request.URL.EscapedPath()
	if hasEncodedSeparator(written) || (c.FullPath() != "" && !matchesPattern(written, c.FullPath())) {
		m.problems.Write(c, problem.New(problem.CodeInvalidPath))
	}
}

// hasEncodedSeparator reports whether a raw path contains an encoded slash or any backslash.
func hasEncodedSeparator(written string) bool {
	lower := strings.ToLower(written)
	return strings.Contains(lower, "%2f") || strings.Contains(lower, "%5c") || strings.Contains(lower, `\`)
}

// matchesPattern reports whether a raw path is written like the pattern of its route, segment by segment.
func matchesPattern(written, pattern string) bool {
	segments, fixed := strings.Split(written, "/"), strings.Split(pattern, "/")
	for i, want := range fixed {
		if strings.HasPrefix(want, "*") {
			return matchesWildcard(segments[min(i, len(segments)):])
		}
		if i >= len(segments) {
			return false
		}
		if strings.HasPrefix(want, ":") {
			if segments[i] == "" || isDots(segments[i]) {
				return false
			}
			continue
		}
		// A fixed part may need encoding: the operator chooses the path of GOOGLE_REDIRECT_URI.
		if segments[i] != want && !strings.EqualFold(segments[i], (&url.URL{Path: want}).EscapedPath()) {
			return false
		}
	}
	return len(segments) == len(fixed)
}

// matchesWildcard reports whether the segments of a wildcard contain no dots and no empty one before the last.
func matchesWildcard(segments []string) bool {
	for i, segment := range segments {
		if isDots(segment) || (segment == "" && i < len(segments)-1) {
			return false
		}
	}
	return true
}

// isDots reports whether a segment is . or .. once decoded.
func isDots(segment string) bool {
	decoded, err := url.PathUnescape(segment)
	return err != nil || decoded == "." || decoded == ".."
}
