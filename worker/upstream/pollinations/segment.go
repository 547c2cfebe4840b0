package pollinations

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// pathSegment escapes a text as one segment of a URL path. URL parsers resolve "." and ".." even if escaped, and some
// proxies decode %2F first, so a space is appended to parts of only dots and to a text that ends in a slash. The space
// does not change the meaning of the text.
func pathSegment(text string) string {
	parts := strings.Split(text, "/")
	for i, part := range parts {
		last := i == len(parts)-1
		if (part != "" && strings.Trim(part, ".") == "") || (part == "" && last && i > 0) {
			parts[i] += " "
		}
	}
	return url.PathEscape(strings.Join(parts, "/"))
}

// changesInPath reports whether a URL parser or a proxy could change the path of a text that is sent as a segment.
func changesInPath(text string) bool {
	return path.Clean("/"+text) != "/"+text || strings.Trim(text, "./") == ""
}

// gatewayImageRoutes returns the gateway's routes below /image. A prompt with such a name must not be in the path, even
// escaped: the gateway decodes the path before routing.
func gatewayImageRoutes() []string { return []string{"models"} }

// legacyTextRoutes returns the routes of the legacy text service.
func legacyTextRoutes() []string {
	return []string{"models", "openai", "feed", "about", "v1", "favicon.ico", "robots.txt"}
}

// isRoute reports whether the first part of a text is one of the routes, in any letter case.
func isRoute(text string, routes []string) bool {
	first, _, _ := strings.Cut(text, "/")
	return slices.Contains(routes, strings.ToLower(first))
}
