package server_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// withHost sets the Host header.
func withHost(host string) option { return func(r *http.Request) { r.Host = host } }

func TestHosts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		cfg               server.Config
		allowed, rejected []string
	}{
		"on loopback": {
			server.Config{Loopback: true},
			[]string{"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8080", "127.1.2.3:4", "[::1]:8080"},
			[]string{"evil.example", "evil.example:8080", "localhost.evil.example", "10.0.0.1", "0.0.0.0:8080", "127.0.0.1.evil.example:8080"},
		},
		"on loopback, with a front end": {
			server.Config{Loopback: true, FrontendURLs: []string{"https://App.example/x", "http://127.0.0.1:3000"}},
			[]string{"localhost", "app.example", "app.example:8443"},
			[]string{"evil.example", "www.app.example"},
		},
		"elsewhere": {server.Config{}, []string{"localhost", "evil.example", "10.0.0.1:1"}, nil},
		"named": {
			server.Config{PublicHosts: []string{"api.example", "other.example:8443"}},
			[]string{"api.example", "API.example:99", "other.example:8443", "localhost:8080", "127.0.0.1"},
			[]string{"evil.example", "other.example", "other.example:8080", "10.0.0.1"},
		},
		"named, on loopback": {
			server.Config{Loopback: true, PublicHosts: []string{"api.example"}, FrontendURLs: []string{"https://app.example"}},
			[]string{"api.example", "localhost"},
			[]string{"evil.example", "app.example"},
		},
		"all": {server.Config{Loopback: true, PublicHosts: []string{"*"}}, []string{"evil.example", "localhost"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(cfg *server.Config, _ *server.Deps) {
				cfg.Loopback, cfg.PublicHosts, cfg.FrontendURLs = tc.cfg.Loopback, tc.cfg.PublicHosts, tc.cfg.FrontendURLs
			})
			for _, host := range tc.allowed {
				b.get(t, "/api/models", withHost(host)).expect(t, http.StatusOK)
			}
			for _, host := range tc.rejected {
				for _, path := range []string{"/", "/api/models", "/internal/health", "/nowhere", "/assets/js/app.js"} {
					f := b.get(t, path, withHost(host)).problem(t, http.StatusMisdirectedRequest, "host_not_allowed")
					if !strings.Contains(f.Detail, "PUBLIC_HOSTS") {
						t.Errorf("detail %q", f.Detail)
					}
				}
				zh := b.submit(t, goodBody, withHost(host), language("zh")).problem(t, http.StatusMisdirectedRequest, "host_not_allowed")
				if zh.Title == http.StatusText(http.StatusMisdirectedRequest) || !strings.Contains(zh.Detail, "PUBLIC_HOSTS") {
					t.Errorf("in Chinese %q, %q", zh.Title, zh.Detail)
				}
				// Probes may use any host.
				for _, path := range []string{"/livez", "/readyz"} {
					b.get(t, path, withHost(host)).expect(t, http.StatusOK)
				}
			}
		})
	}
}

// TestHostHeader sends requests without a Host header or with one that differs from the request URL.
func TestHostHeader(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *server.Config, _ *server.Deps) { cfg.Loopback = true })
	for head, status := range map[string]string{
		"GET /api/models HTTP/1.0\r\n\r\n": "200", "GET /api/models HTTP/1.0\r\nHost: evil.example\r\n\r\n": "421", "GET /api/models HTTP/1.1\r\nConnection: close\r\n\r\n": "400",
		"GET http://evil.example/api/models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n": "421",
	} {
		conn := dial(t, b.addr())
		_, err := io.WriteString(conn, head)
		must(t, err)
		got, err := io.ReadAll(conn)
		must(t, err)
		if line, _, _ := strings.Cut(string(got), "\r\n"); !strings.Contains(line, " "+status+" ") {
			t.Errorf("%q: %q", head, line)
		}
	}
}

func TestInvalidHosts(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"https://api.example", "api.example/x", "*.example", "api.example:99999"} {
		cfg := server.Config{PublicHosts: []string{entry}}
		if err := cfg.Validate(); err == nil || !strings.Contains(err.Error(), "PUBLIC_HOSTS: expected ") || strings.Contains(err.Error(), entry) {
			t.Errorf("%s: %v", entry, err)
		}
		if _, err := server.NewStartupHandler(cfg, telemetry.NewMetrics(), discardLogger()); err == nil {
			t.Errorf("%s: accepted at startup", entry)
		}
	}
}
