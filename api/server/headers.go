package server

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
)

const (
	// apiPolicy is for responses that are not a page: they may load and run nothing.
	apiPolicy  = "default-src 'none'; frame-ancestors 'none'"
	pagePolicy = "default-src 'self'; script-src 'self'; style-src 'self'; object-src 'none'; base-uri 'none'; " +
		"form-action 'self'; frame-ancestors 'none'; img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'"
	permissions = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
)

// The values of headers of every response. They are shared and must not be changed.
var (
	noSniff         = []string{"nosniff"}
	referrerPolicy  = []string{"strict-origin-when-cross-origin"}
	permissionsList = []string{permissions}
	apiPolicyList   = []string{apiPolicy}
)

// secureHeaders sets the headers of every response.
func (m *middleware) secureHeaders(c *gin.Context) {
	header := c.Writer.Header()
	header["X-Content-Type-Options"] = noSniff
	header["Referrer-Policy"] = referrerPolicy
	header["Permissions-Policy"] = permissionsList
	header["Content-Security-Policy"] = apiPolicyList
	if m.proxies.Secure(c) {
		c.Header("Strict-Transport-Security", "max-age=31536000")
	}
	respond.Vary(c, "Origin")
}

// newCrossOrigin returns the protection against cross-site request forgery.
func newCrossOrigin(origins []string) (*http.CrossOriginProtection, error) {
	protection := http.NewCrossOriginProtection()
	for _, origin := range origins {
		if err := protection.AddTrustedOrigin(origin); err != nil {
			return nil, fmt.Errorf("add trusted origin: %w", err)
		}
	}
	return protection, nil
}

// refuseCrossOrigin rejects state-changing requests from untrusted origins. Reads are allowed, since other origins cannot
// see their responses.
func (m *middleware) refuseCrossOrigin(c *gin.Context) {
	if m.crossOrigin.Check(c.Request) != nil {
		m.problems.Write(c, problem.New(problem.CodeCrossOrigin))
	}
}
