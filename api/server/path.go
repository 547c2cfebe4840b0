package server

import (
	"net/url"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
)

// checkPath rejects a path that matches a route only after decoding or cleaning. Routes match the decoded path, but a proxy
// that restricts /api/admin may compare the raw one. Parameters may be percent-encoded, except for separators outside the names of models,
// which contain slashes.
func (m *middleware) checkPath(c *gin.Context) {
	raw := c.Request.URL.EscapedPath()
	if (hasEncodedSeparator(raw) && c.FullPath() != openAIModelPath) || (c.FullPath() != "" && !matchesPattern(raw, c.FullPath())) {
		m.problems.Write(c, problem.New(problem.CodeInvalidPath))
	}
}

// hasEncodedSeparator reports whether a raw path contains an encoded slash or any backslash.
func hasEncodedSeparator(raw string) bool {
	if !strings.ContainsAny(raw, `%\`) {
		return false
	}
	lower := strings.ToLower(raw)
	return strings.Contains(lower, "%2f") || strings.Contains(lower, "%5c") || strings.Contains(lower, `\`)
}

// matchesPattern reports whether a raw path matches the pattern of its route without decoding or cleaning.
func matchesPattern(raw, pattern string) bool {
	if raw == pattern {
		return true
	}
	segments, fixed := strings.Split(raw, "/"), strings.Split(pattern, "/")
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
		// A fixed segment may need encoding: the operator chooses the path of GOOGLE_REDIRECT_URI.
		if segments[i] != want && !strings.EqualFold(segments[i], (&url.URL{Path: want}).EscapedPath()) {
			return false
		}
	}
	return len(segments) == len(fixed)
}

// matchesWildcard reports whether the segments of a wildcard include no dot segment, and no empty one before the last.
func matchesWildcard(segments []string) bool {
	for i, segment := range segments {
		if isDots(segment) || (segment == "" && i < len(segments)-1) {
			return false
		}
	}
	return true
}

// isDots reports whether a segment decodes to . or .., or cannot be decoded.
func isDots(segment string) bool {
	decoded, err := url.PathUnescape(segment)
	return err != nil || decoded == "." || decoded == ".."
}
