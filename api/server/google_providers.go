package server

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
)

// providers is the response of GET /api/auth/providers.
type providers struct {
	Providers map[string]bool `json:"providers"`
	// ReturnOrigins holds, by provider, the origin of the page to which the provider redirects.
	ReturnOrigins map[string]string `json:"returnOrigins,omitempty"`
	Success       bool              `json:"success"`
}

// listProviders is GET /api/auth/providers. It lists the ways to sign in besides a password.
func (h *googleHandler) listProviders(c *gin.Context) error {
	g := h.google
	list := providers{Success: true, Providers: map[string]bool{"google": g != nil}}
	if g != nil {
		if origin := h.returnOrigin(g.Redirect(c.Request.Host)); origin != "" {
			list.ReturnOrigins = map[string]string{"google": origin}
		}
	}
	respond.JSON(c, http.StatusOK, list)
	return nil
}

// returnOrigin returns the origin of a redirect URI, or "" if its path is not one of the page. The page compares it with its
// own origin, since this program may not know its public host names.
func (h *googleHandler) returnOrigin(redirect string) string {
	u, err := url.Parse(redirect)
	if err != nil || u.Host == "" || !slices.Contains(h.pages, u.Path) {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
