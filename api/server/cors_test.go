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
			asked := c.b.request(t, http.MethodOptions, path, nil, origin, header("Access-Control-Request-Method", "POST"), header("Access-Control-Request-Headers", "authorization,content-type"))
			h := asked.Header
			if !c.trusted {
				if asked.StatusCode != http.StatusForbidden || h.Get("Access-Control-Allow-Origin") != "" || h.Get("Access-Control-Allow-Credentials") != "" {
					t.Errorf("%s asks for %s: %d %v", c.origin, path, asked.StatusCode, h)
				}
				continue
			}
			if asked.StatusCode != http.StatusNoContent || h.Get("Access-Control-Allow-Origin") != c.origin || h.Get("Access-Control-Allow-Credentials") != "true" ||
				h.Get("Access-Control-Allow-Headers") != "authorization,content-type" || h.Get("Access-Control-Max-Age") != "86400" || !strings.Contains(h.Get("Vary"), "Origin") {
				t.Errorf("%s asks for %s: %d %v", c.origin, path, asked.StatusCode, h)
			}
		}
		read := c.b.request(t, http.MethodGet, "/api/models", nil, origin).expect(t, http.StatusOK)
		exposed := read.Header.Get("Access-Control-Expose-Headers")
		if (read.Header.Get("Access-Control-Allow-Origin") == c.origin) != c.trusted || (exposed != "") != c.trusted {
			t.Errorf("%s reads: %v", c.origin, read.Header)
		}
		for _, name := range []string{"Location", "Retry-After", "RateLimit"} {
			if c.trusted && !strings.Contains(exposed, name) {
				t.Errorf("%s is not exposed", name)
			}
		}
		// Errors can be read as well, and the page itself cannot.
		lost := c.b.request(t, http.MethodGet, "/api/jobs/none", nil, origin).expect(t, http.StatusNotFound)
		if (lost.Header.Get("Access-Control-Allow-Origin") != "") != c.trusted {
			t.Errorf("%s reads an error: %v", c.origin, lost.Header)
		}
		if page := c.b.request(t, http.MethodGet, "/", nil, origin); page.Header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s reads the page", c.origin)
		}
		signedIn := c.b.request(t, http.MethodPost, "/api/auth/login", fields{"email": "a@b.c", "password": "x"}, origin)
		if want := map[bool]int{true: http.StatusUnauthorized, false: http.StatusForbidden}[c.trusted]; signedIn.StatusCode != want {
			t.Errorf("%s signs in: %d", c.origin, signedIn.StatusCode)
		}
	}
	// Other OPTIONS are methods like any other.
	trusting.request(t, http.MethodOptions, "/api/jobs", nil).expect(t, http.StatusMethodNotAllowed)
}

func TestHealthShowsMail(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		mail             server.Mail
		delivers         bool
		whole, check, is string
		hint             string
	}{
		"on":                       {delivers: true, whole: "ok", check: "ok"},
		"on and required":          {mail: server.Mail{Required: true}, delivers: true, whole: "ok", check: "ok"},
		"off":                      {mail: server.Mail{Off: true}, whole: "ok", check: "off", is: "mail_off", hint: "cannot reset"},
		"off, links on a console":  {mail: server.Mail{Off: true}, delivers: true, whole: "ok", check: "off", is: "mail_off", hint: "console"},
		"required and off":         {mail: server.Mail{Off: true, Required: true}, whole: "degraded", check: "degraded", is: "mail_off", hint: "MAIL"},
		"required, on the console": {mail: server.Mail{Off: true, Required: true}, delivers: true, whole: "degraded", check: "degraded", is: "mail_off", hint: "MAIL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(_ *server.Config, deps *server.Deps) {
				deps.Mail = c.mail
				if !c.delivers {
					deps.Recovery = mailerWithoutDelivery(deps)
				}
			})
			b.registerWorker(t, "w1", "simulator")
			status := map[string]int{"ok": http.StatusOK, "degraded": http.StatusServiceUnavailable}[c.whole]
			r := b.health(t, status)
			check, details := r.check("mail")
			reason, _ := details["reason"].(string)
			hint, _ := details["hint"].(string)
			if r.Status != c.whole || check != c.check || reason != c.is || !strings.Contains(hint, c.hint) || (hint == "") != (c.hint == "") {
				t.Errorf("%s, mail: %s %v", r.Status, check, details)
			}
			if logged := strings.Contains(b.log.String(), `"health check failed","check":"mail"`); logged != (c.whole != "ok") {
				t.Errorf("logged: %t", logged)
			}
			// Users get the same answer in each case.
			b.auth(t, "forgot-password", fields{"email": annEmail}).expect(t, http.StatusOK)
		})
	}
}
