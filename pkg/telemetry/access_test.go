package telemetry_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

const token = "the token of the tests"

func TestMetricsRequireToken(t *testing.T) {
	t.Parallel()
	for name, addr := range map[string]string{"loopback": "127.0.0.1:0", "all addresses": "0.0.0.0:0"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := start(t, telemetry.Config{MetricsEnabled: true, MetricsAddr: addr, MetricsToken: env.Secret(token)}, telemetry.NewMetrics())
			_, port, err := net.SplitHostPort(server.Addr())
			if err != nil {
				t.Fatal(err)
			}
			base := "http://127.0.0.1:" + port
			for header, status := range map[string]int{
				"": 401, "Bearer": 401, "Bearer ": 401, "Bearer x": 401, "Bearer " + token + "x": 401, "Basic " + token: 401, token: 401, "Bearer " + strings.ToUpper(token): 401,
				"Bearer " + token: 200, "bearer " + token: 200,
			} {
				resp := get(t, base+"/metrics", "metrics.internal", "Authorization", header)
				if resp.StatusCode != status || (status == 401) != strings.HasPrefix(resp.Header.Get("WWW-Authenticate"), "Bearer ") {
					t.Errorf("%q: %d %v", header, resp.StatusCode, resp.Header)
				}
			}
			if resp := get(t, base+"/debug/pprof/", ""); resp.StatusCode != http.StatusUnauthorized {
				t.Errorf("profiles without a token: %d", resp.StatusCode)
			}
			want := http.StatusOK
			if name != "loopback" {
				want = http.StatusNotFound
			}
			for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap?debug=1", "/debug/pprof/cmdline"} {
				if resp := get(t, base+path, "", "Authorization", "Bearer "+token); resp.StatusCode != want {
					t.Errorf("%s: %d, want %d", path, resp.StatusCode, want)
				}
			}
		})
	}
}

func TestPublicMetrics(t *testing.T) {
	t.Parallel()
	server := start(t, telemetry.Config{MetricsEnabled: true, MetricsAddr: "0.0.0.0:0", MetricsPublic: true}, telemetry.NewMetrics())
	_, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if resp := get(t, "http://127.0.0.1:"+port+"/metrics", "metrics.internal"); resp.StatusCode != http.StatusOK {
		t.Errorf("metrics: %d", resp.StatusCode)
	}
	if resp := get(t, "http://127.0.0.1:"+port+"/debug/pprof/", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("profiles: %d", resp.StatusCode)
	}
}

// TestMetricsRejectDNSRebinding sends requests like those of a web page whose host name resolves to this machine.
func TestMetricsRejectDNSRebinding(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		public bool
		host   string
		status int
	}{
		{false, "evil.example:9091", 421}, {false, "localhost:9091", 200}, {false, "127.0.0.1", 200}, {true, "evil.example", 200},
	} {
		server := start(t, telemetry.Config{MetricsEnabled: true, MetricsAddr: "127.0.0.1:0", MetricsPublic: tc.public}, telemetry.NewMetrics())
		for _, path := range []string{"/metrics", "/debug/pprof/"} {
			if resp := get(t, "http://"+server.Addr()+path, tc.host); resp.StatusCode != tc.status {
				t.Errorf("%s of %s: %d, want %d", path, tc.host, resp.StatusCode, tc.status)
			}
		}
	}
}

// TestScrapeWithMissingBody is answered although its body never arrives, so that it cannot delay a stop.
func TestScrapeWithMissingBody(t *testing.T) {
	t.Parallel()
	server := start(t, telemetry.Config{MetricsEnabled: true, MetricsAddr: "127.0.0.1:0"}, telemetry.NewMetrics())
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if response, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(response), "HTTP/1.1 200 ") {
		t.Errorf("%.100q, %v", response, err)
	}
}
