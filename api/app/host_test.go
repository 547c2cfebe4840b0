package app_test

import (
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/app/apptest"
)

// TestAllowedHosts sends requests with the Host of another site, as after DNS rebinding.
func TestAllowedHosts(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		variables []string
		status    int
	}{
		"on loopback":    {nil, http.StatusMisdirectedRequest},
		"behind a proxy": {[]string{"TRUSTED_PROXIES=127.0.0.1"}, http.StatusOK},
		"named":          {[]string{"PUBLIC_HOSTS=rebound.example"}, http.StatusOK},
		"others named":   {[]string{"PUBLIC_HOSTS=api.example", "TRUSTED_PROXIES=127.0.0.1"}, http.StatusMisdirectedRequest},
		"anywhere":       {[]string{"LISTEN_ADDR=0.0.0.0:0"}, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := start(t, apptest.Config(t, t.TempDir(), tc.variables...))
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.URL()+"/api/models", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = "rebound.example:8080"
			if resp := i.exchange(t, req); resp.StatusCode != tc.status {
				t.Errorf("%d %s", resp.StatusCode, resp.Data)
			}
		})
	}
}
