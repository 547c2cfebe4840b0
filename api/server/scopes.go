package server

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
)

// permission is what an API key needs on a route: a scope, or one of the constants.
type permission string

const (
	// anyone is for routes that need no scope: most do not identify callers and ignore API keys.
	anyone permission = "anyone"
	// sessionOnly is for routes that no API key may use.
	sessionOnly permission = "session"
	// adminKeyOnly is sessionOnly for routes of the operator, who has ADMIN_KEY.
	adminKeyOnly permission = "ADMIN_KEY"

	submitScope = permission(apikey.ScopeSubmit)
	readScope   = permission(apikey.ScopeRead)
	// adminScope is checked where ADMIN_KEY is.
	adminScope = permission(apikey.ScopeAdmin)
)

// routePermissions lists what an API key needs on each route; HEAD needs the same as GET. A route that is not listed rejects all API keys.
var routePermissions = map[string]permission{
	"POST /api/jobs":                 submitScope,
	"GET /api/jobs":                  readScope,
	"GET /api/jobs/:id":              readScope,
	"GET /api/jobs/:id/events":       readScope,
	"GET /api/jobs/:id/media/:index": readScope,
	"POST /api/jobs/:id/cancel":      submitScope,
	"POST /api/jobs/:id/retry":       submitScope,
	"DELETE /api/jobs/:id":           submitScope,
	"GET /api/events":                readScope,
	"POST /api/uploads":              submitScope,
	"GET /api/uploads":               readScope,
	"GET /api/uploads/:id":           readScope,
	"DELETE /api/uploads/:id":        submitScope,
	"GET /api/models":                anyone,
	"GET /api/quota":                 readScope,
	"GET /api/usage":                 readScope,
	"PUT /api/usage/budget":          sessionOnly,

	"POST /api/batches":            submitScope,
	"GET /api/batches":             readScope,
	"GET /api/batches/:id":         readScope,
	"GET /api/batches/:id/events":  readScope,
	"POST /api/batches/:id/cancel": submitScope,
	"POST /api/batches/:id/retry":  submitScope,

	"GET /api/batches/:id/results.zip": readScope,

	"POST /api/generate":           submitScope,
	"POST /api/pollinations/image": submitScope,
	"POST /api/prompts/optimize":   submitScope,
	"POST /api/optimize":           submitScope,
	"POST /api/translate":          submitScope,

	"POST /v1/images/generations": submitScope,
	"POST /v1/images/edits":       submitScope,
	"POST /v1/audio/speech":       submitScope,
	"GET /v1/models":              anyone,
	"GET /v1/models/*id":          anyone,
	"GET /v1/media/:token":        anyone,

	"POST /api/auth/register":            anyone,
	"POST /api/auth/login":               anyone,
	"GET /api/auth/validate":             readScope,
	"POST /api/auth/logout":              sessionOnly,
	"POST /api/auth/forgot-password":     anyone,
	"POST /api/auth/reset-password":      anyone,
	"POST /api/auth/verify-email":        anyone,
	"POST /api/auth/resend-verification": sessionOnly,
	"POST /api/auth/change-password":     sessionOnly,
	"POST /api/auth/profile":             sessionOnly,
	"POST /api/auth/delete-account":      sessionOnly,
	"GET /api/auth/providers":            anyone,
	"GET /api/auth/google":               sessionOnly,
	"POST /api/auth/google-oauth":        sessionOnly,
	"POST /api/auth/google-login":        sessionOnly,
	"POST /api/auth/google-unlink":       sessionOnly,

	"POST /api/keys":       sessionOnly,
	"GET /api/keys":        sessionOnly,
	"DELETE /api/keys/:id": sessionOnly,

	"GET /api/webhooks":                           readScope,
	"PUT /api/webhooks":                           sessionOnly,
	"GET /api/webhooks/secret":                    sessionOnly,
	"POST /api/webhooks/secret":                   sessionOnly,
	"GET /api/webhooks/deliveries":                readScope,
	"POST /api/webhooks/deliveries/:id/redeliver": submitScope,
	"POST /api/webhooks/ping":                     submitScope,

	"POST /api/feedback":           submitScope,
	"GET /api/feedback/my":         readScope,
	"POST /api/images/save":        submitScope,
	"GET /api/images/daily":        readScope,
	"GET /api/images/stats":        readScope,
	"GET /api/images/:id":          readScope,
	"GET /api/images/download/:id": readScope,
	"DELETE /api/images/:id":       submitScope,

	"GET /api/admin/dead-letters":             adminScope,
	"GET /api/admin/dead-letters/:id":         adminScope,
	"POST /api/admin/dead-letters/:id/replay": adminScope,
	"DELETE /api/admin/dead-letters/:id":      adminScope,
	"POST /api/admin/dead-letters/replay":     adminScope,
	"POST /api/admin/dead-letters/purge":      adminScope,
	"GET /api/admin/control":                  adminScope,
	"POST /api/admin/kinds/:kind/pause":       adminScope,
	"POST /api/admin/kinds/:kind/resume":      adminScope,
	"POST /api/admin/upstreams/:name/probe":   adminScope,
	"GET /api/admin/switches":                 adminScope,
	"POST /api/admin/switches/:name":          adminScope,
	"DELETE /api/admin/switches/:name":        adminScope,
	"GET /api/admin/deployments":              adminScope,
	"GET /api/admin/backup":                   adminScope,
	"GET /api/admin/feedback":                 adminScope,
	"POST /api/admin/feedback/:id/processed":  adminScope,
	"POST /api/admin/feedback/:id/pending":    adminScope,
	"DELETE /api/admin/feedback/:id":          adminScope,
	"POST /api/admin/keys":                    adminKeyOnly,
	"GET /api/admin/keys":                     adminKeyOnly,
	"DELETE /api/admin/keys/:id":              adminKeyOnly,

	"GET /livez":          anyone,
	"GET /readyz":         anyone,
	"GET " + healthRoute:  anyone, // It has a token of its own.
	"GET /reset-password": anyone,
	"GET /verify-email":   anyone,
	"GET " + GooglePath:   anyone,
	"GET /docs":           anyone,
	"GET /openapi.yaml":   anyone,
	"GET /openapi.json":   anyone,
	"GET /assets/*path":   anyone,
	"GET /":               anyone,
	"GET /gallery":        anyone,
	"GET /gallery/:id":    anyone,
	"GET /voice":          anyone,
	"GET /account":        anyone,
	"GET /help":           anyone,
	"GET /privacy":        anyone,
	"GET /terms":          anyone,
	"GET /operator":       anyone,
	"GET /operator/:name": anyone,
}

// permissionOf returns what an API key needs on the route of a request.
func permissionOf(c *gin.Context) permission {
	method := c.Request.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if p, ok := routePermissions[method+" "+c.FullPath()]; ok {
		return p
	}
	return sessionOnly
}

// requirePermission rejects requests whose API key is invalid or lacks what the route needs, before anything else about them is
// checked. Requests without an API key, and to unknown routes, pass.
func (h *handlers) requirePermission(c *gin.Context) {
	key, ok := session.APIKey(c.Request)
	if !ok || c.FullPath() == "" {
		return
	}
	need := permissionOf(c)
	if need == anyone || need == adminScope || need == adminKeyOnly {
		return // operatorOnly checks the last two.
	}
	setErrorShape(c)
	id, err := h.sessions.IdentifyKey(c, key)
	switch {
	case err != nil:
	case need == sessionOnly:
		err = problem.New(problem.CodeSessionRequired)
	default:
		err = session.RequireScope(c, id.Key, apikey.Scope(need))
	}
	if err != nil {
		h.problems.Write(c, err)
	}
}
