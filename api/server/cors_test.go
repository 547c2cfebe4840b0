package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
)

func TestCORS(t *testing.T) {
	t.Parallel()
	trusting := setup(t, func(cfg *server.Config, _ *server.Deps) {
		cfg.FrontendURLs, cfg.AllowedOrigins = []string{"https://One.example/app/"}, "https://two.example HTTPS://four.example:443,\n http://five.example:80 , https://six.example:8443"
	})
	closed := setup(t)
	for _, c := range []struct {
		b       *bundle
		origin  string
		trusted bool
	}{
		{trusting, "https://one.example", true},
		{trusting, "https://two.example", true},
		{trusting, "https://four.example", true},
		{trusting, "http://five.example", true},
		{trusting, "https://six.example:8443", true},
		{trusting, "https://six.example", false},
		{trusting, "https://three.example", false},
		{trusting, "http://one.example", false},
		{trusting, "https://one.example.evil", false},
		{trusting, "null", false},
		{closed, "https://one.example", false},
		{closed, "null", false},
	} {
		origin := header("Origin", c.origin)
		for path := range expectations() {
			path = path[strings.IndexByte(path, ' ')+1:]
			if !strings.HasPrefix(path, "/api/") {
				continue
			}
			preflight := c.b.request(t, http.MethodOptions, path, nil, origin, header("Access-Control-Request-Method", "POST"), header("Access-Control-Request-Headers", "authorization,content-type"))
			h := preflight.Header
			if !c.trusted {
				if preflight.StatusCode != http.StatusForbidden || h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("preflight of %s for %s: %d %v", c.origin, path, preflight.StatusCode, h)
				}
				continue
			}
			if preflight.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != c.origin || h.Get("Access-Control-Allow-Credentials") != "true" ||
				h.Get("Access-Control-Allow-Headers") != "authorization,content-type" || h.Get("Access-Control-Max-Age") != "86400" || !strings.Contains(h.Get("Vary"), "Origin") {
				t.Errorf("preflight of %s for %s: %d %v", c.origin, path, preflight.StatusCode, h)
			}
		}
		read := c.b.get(t, "/api/models", origin).expect(t, http.StatusOK)
		exposed := read.Header.Get("Access-Control-Expose-Headers")
		if (read.Header.Get("Access-Control-Allow-Origin") == c.origin) != c.trusted || (exposed != "") != c.trusted {
			t.Errorf("%s reads /api/models: %v", c.origin, read.Header)
		}
		for _, name := range []string{"Location", "Retry-After", "RateLimit"} {
			if c.trusted && !strings.Contains(exposed, name) {
				t.Errorf("%s is not exposed", name)
			}
		}
		// Errors are readable too; the page is not.
		missing := c.b.get(t, "/api/jobs/none", origin).expect(t, http.StatusNotFound)
		if (missing.Header.Get("Access-Control-Allow-Origin") != "") != c.trusted {
			t.Errorf("%s reads an error: %v", c.origin, missing.Header)
		}
		if page := c.b.get(t, "/", origin); page.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s reads the page", c.origin)
		}
		signedIn := c.b.post(t, "/api/auth/login", fields{"email": "a@b.c", "password": "x"}, origin)
		if want := map[bool]int{true: http.StatusUnauthorized, false: http.StatusForbidden}[c.trusted]; signedIn.StatusCode != want {
			t.Errorf("%s signs in: %d", c.origin, signedIn.StatusCode)
		}
	}
	// OPTIONS without a preflight is a method like any other.
	trusting.request(t, http.MethodOptions, "/api/jobs", nil).expect(t, http.StatusMethodNotAllowed)
}
