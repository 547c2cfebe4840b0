package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// TestStartupHandlerKeepsContract requests every operation while the process starts.
func TestStartupHandlerKeepsContract(t *testing.T) {
	t.Parallel()
	var cfg server.Config
	must(t, env.Load(nil, &cfg))
	handler, err := server.NewStartupHandler(cfg, telemetry.NewMetrics(), discardLogger())
	must(t, err)
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	c, err := contract()
	must(t, err)
	parameter := regexp.MustCompile(`\{[^}]*\}`)
	requests := 0
	for path, item := range c.Doc.Paths.Map() {
		for method := range item.Operations() {
			r, err := http.NewRequestWithContext(t.Context(), method, s.URL+parameter.ReplaceAllString(path, "audio"), nil)
			must(t, err)
			resp, err := s.Client().Do(r)
			must(t, err)
			body, err := io.ReadAll(resp.Body)
			must(t, err)
			must(t, resp.Body.Close())
			checkContract(t, r, resp, body)
			want := http.StatusServiceUnavailable
			if path == "/livez" {
				want = http.StatusOK
			}
			if resp.StatusCode != want || (want != http.StatusOK && resp.Header.Get("Retry-After") == "") {
				t.Errorf("%s %s: status %d", method, path, resp.StatusCode)
			}
			requests++
		}
	}
	if requests < 50 {
		t.Errorf("only %d operations requested", requests)
	}
}
