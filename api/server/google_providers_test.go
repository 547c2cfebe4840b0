package server_test

import (
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
)

// TestProviderReturnOrigins sets up redirect addresses of every sort.
func TestProviderReturnOrigins(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ redirect, page, want string }{
		{"https://page.example/auth/google/callback", "", "https://page.example"},
		{"https://page.example:8443/auth/google/callback", server.GooglePath, "https://page.example:8443"},
		{"https://page.example/back", "/back", "https://page.example"},
		{"https://page.example", "", "https://page.example"},
		{"https://page.example/", "/", "https://page.example"},
		// These lead past the page.
		{"https://page.example/app/auth/google/callback", "", ""},
		{"https://page.example/docs", "/docs", ""},
		{"https://page.example/livez", "/livez", ""},
	} {
		t.Run(tc.redirect, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(_ *server.Config, deps *server.Deps) {
				deps.Google = &server.Google{Redirect: func(string) string { return tc.redirect }, Page: tc.page}
			})
			var got struct {
				Providers     map[string]bool
				ReturnOrigins map[string]string
			}
			b.request(t, http.MethodGet, authRoute+"providers", nil).expect(t, http.StatusOK).decode(t, &got)
			if !got.Providers["google"] || got.ReturnOrigins["google"] != tc.want {
				t.Errorf("told %+v, want %q", got, tc.want)
			}
		})
	}
}
