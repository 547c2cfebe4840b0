package server_test

import (
	"net/http"
	"testing"

	"github.com/text2image-audio/text2image-audio/api/server"
)

// TestProviderReturnOrigins configures redirect URLs of every kind.
func TestProviderReturnOrigins(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ redirect, page, want string }{
		{"https://page.example/auth/google/callback", "", "https://page.example"},
		{"https://page.example:8443/auth/google/callback", server.GooglePath, "https://page.example:8443"},
		{"https://page.example/back", "/back", "https://page.example"},
		{"https://page.example", "", "https://page.example"},
		{"https://page.example/", "/", "https://page.example"},
		// These do not lead to the page.
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
			b.get(t, authRoute+"providers").expect(t, http.StatusOK).decode(t, &got)
			if !got.Providers["google"] || got.ReturnOrigins["google"] != tc.want {
				t.Errorf("got %+v, want %q", got, tc.want)
			}
		})
	}
}
