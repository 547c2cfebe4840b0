package server

import (
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
)

// checkPath refuses a path that leads to a route only once it is decoded or cleaned. Routes match the decoded path, and a
// proxy in front of this program that keeps people out of /api/admin may compare it as it is written. Parameters may be
// percent-encoded, but for separators.
func (m *middleware) checkPath(c *gin.Context) {
	written := c.Request.URL.EscapedPath()
	if hasEncodedSeparator(written) || (c.FullPath() != "" && !isPlain(written, c.FullPath())) {
		m.problems.Write(c, problem.New(problem.CodeInvalidPath))
	}
}

// hasEncodedSeparator reports whether a path as it is written holds a slash or backslash that is no plain slash.
func hasEncodedSeparator(written string) bool {
	lower := strings.ToLower(written)
	return strings.Contains(lower, "%2f") || strings.Contains(lower, "%5c") || strings.Contains(lower, `\`)
}

// isPlain reports whether a path is written as the pattern of its route is, segment by segment.
func isPlain(written, pattern string) bool {
	segments, fixed := strings.Split(written, "/"), strings.Split(pattern, "/")
	for i, want := range fixed {
		if strings.HasPrefix(want, "*") {
			return isPlainRest(segments[min(i, len(segments)):])
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
		// A fixed part may need encoding: the path of GOOGLE_REDIRECT_URI is the operator's.
		if segments[i] != want && !strings.EqualFold(segments[i], (&url.URL{Path: want}).EscapedPath()) {
			return false
		}
	}
	return len(segments) == len(fixed)
}

// isPlainRest reports whether what a route takes as the rest of its path holds no empty segment before the last and none
// that leads up.
func isPlainRest(segments []string) bool {
	for i, segment := range segments {
		if isDots(segment) || (segment == "" && i < len(segments)-1) {
			return false
		}
	}
	return true
}

// isDots reports whether a segment stands for this or the upper level.
func isDots(segment string) bool {
	decoded, err := url.PathUnescape(segment)
	return err != nil || decoded == "." || decoded == ".."
}
