package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestPageSetsGuestCookie(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.TrustedProxies = []string{"127.0.0.0/8"} })
	resp := b.get(t, "/").expect(t, http.StatusOK)
	cookies := resp.Cookies()
	if len(cookies) != 1 {
		t.Fatalf("cookies %v", cookies)
	}
	c := cookies[0]
	if c.Name != "t2i_guest" || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Secure || c.MaxAge != 365*24*3600 {
		t.Errorf("cookie %s", c.Raw)
	}
	owner, _, _ := strings.Cut(c.Value, ".")
	if c.Value != server.SealGuest([]byte(secret), owner) || !job.ValidToken(owner) || !strings.HasPrefix(owner, "g-") {
		t.Errorf("owner %q", owner)
	}
	if again := b.get(t, "/", cookie(c)); len(again.Cookies()) != 0 {
		t.Errorf("a second cookie: %v", again.Cookies())
	}
	if other := b.get(t, "/"); other.Cookies()[0].Value == c.Value {
		t.Error("two visitors got the same cookie")
	}
	bad := &http.Cookie{Name: c.Name, Value: c.Value + "x"}
	if fresh := b.get(t, "/", cookie(bad)); len(fresh.Cookies()) != 1 {
		t.Error("an invalid cookie is not replaced")
	}
	// Of two cookies with the same name the valid one is used.
	b.get(t, "/api/jobs", cookie(bad), cookie(c)).expect(t, http.StatusOK)
	secure := b.get(t, "/", header("X-Forwarded-Proto", "https"))
	if !secure.Cookies()[0].Secure || secure.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("over TLS: %v", secure.Header)
	}
	for _, path := range []string{"/api/jobs/x", "/docs", "/assets/js/app.js", "/livez"} {
		if got := b.get(t, path).Cookies(); len(got) != 0 {
			t.Errorf("%s sets %v", path, got)
		}
	}
}

// TestGuestCookieOverTLS checks that the cookie gets the __Host- prefix, which other subdomains cannot set, and that a guest
// with an older cookie stays the same guest.
func TestGuestCookieOverTLS(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.TrustedProxies = []string{"127.0.0.0/8"} })
	tls := header("X-Forwarded-Proto", "https")
	fresh := b.get(t, "/", tls).Cookies()
	if len(fresh) != 1 {
		t.Fatalf("cookies %v", fresh)
	}
	c := fresh[0]
	if c.Name != "__Host-t2i_guest" || !c.Secure || !c.HttpOnly || c.Path != "/" || c.Domain != "" || c.SameSite != http.SameSiteLaxMode || c.MaxAge != 365*24*3600 {
		t.Errorf("cookie %s", c.Raw)
	}
	if again := b.get(t, "/", tls, cookie(c)).Cookies(); len(again) != 0 {
		t.Errorf("a second cookie: %v", again)
	}
	// The guest of the older cookie keeps the jobs.
	old, owner := guest()
	b.push(t, imageSpec(owner, "older"))
	moved := b.get(t, "/", tls, cookie(old)).Cookies()
	if len(moved) != 1 || moved[0].Name != c.Name || moved[0].Value != old.Value {
		t.Fatalf("moved to %v", moved)
	}
	listed := func(cookies ...option) string {
		return string(b.get(t, "/api/jobs", append(cookies, tls)...).expect(t, http.StatusOK).body)
	}
	for name, cookies := range map[string][]option{
		"old": {cookie(old)}, "new": {cookie(moved[0])}, "both": {cookie(old), cookie(moved[0])},
		"another with the old name": {cookie(&http.Cookie{Name: old.Name, Value: c.Value}), cookie(moved[0])},
	} {
		if list := listed(cookies...); !strings.Contains(list, `"older"`) {
			t.Errorf("%s: %s", name, list)
		}
	}
	// A cookie with the old name, which another subdomain may have set, does not replace the guest.
	if list := listed(cookie(old), cookie(c)); strings.Contains(list, `"older"`) {
		t.Errorf("a planted cookie is used: %s", list)
	}
	// Without TLS browsers reject the __Host- prefix.
	if plain := b.get(t, "/", cookie(old)).Cookies(); len(plain) != 0 {
		t.Errorf("without TLS: %v", plain)
	}
	bad := &http.Cookie{Name: c.Name, Value: c.Value + "x"}
	if replaced := b.get(t, "/", tls, cookie(bad), cookie(old)).Cookies(); len(replaced) != 1 || replaced[0].Value != old.Value {
		t.Errorf("invalid cookie beside a valid one: %v", replaced)
	}
}

func TestUntrustedProxyHeadersAreIgnored(t *testing.T) {
	t.Parallel()
	b := setup(t)
	resp := b.get(t, "/", header("X-Forwarded-Proto", "https"))
	if resp.Cookies()[0].Secure || resp.Header.Get("Strict-Transport-Security") != "" {
		t.Errorf("headers %v", resp.Header)
	}
	var one, two view
	b.submitWithKey(t, "key", goodBody, fromIP("203.0.113.7")).decode(t, &one)
	b.submitWithKey(t, "key", goodBody, fromIP("198.51.100.7")).decode(t, &two)
	if one.ID != two.ID {
		t.Error("a forged address is used")
	}
}
