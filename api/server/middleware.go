package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/hostname"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// middleware identifies, traces, logs and checks the requests of all routes.
type middleware struct {
	trustedProxies []string
	proxies        session.Proxies
	hosts          hostname.List
	// origins may send cross-origin requests; crossOrigin rejects all others.
	origins     []string
	crossOrigin *http.CrossOriginProtection
	problems    *problem.Writer
	metrics     *telemetry.Metrics
	tracing     *telemetry.Tracing
	log         *slog.Logger
	requests    *requestLog
	refusals    *refusalLog
	// draining is set once the process is about to stop.
	draining *atomic.Bool
}

func newMiddleware(cfg *Config, problems *problem.Writer, metrics *telemetry.Metrics, tracing *telemetry.Tracing, log *slog.Logger) (*middleware, error) {
	m := &middleware{
		trustedProxies: cfg.TrustedProxies, problems: problems, metrics: metrics, tracing: tracing, log: log,
		requests: &requestLog{refused: make(map[refusalKey]*refusals)}, refusals: newRefusalLog(), draining: new(atomic.Bool),
	}
	var err error
	if m.proxies, err = parseNetworks(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	if m.hosts, err = cfg.hosts(); err != nil {
		return nil, err
	}
	if m.origins, err = cfg.origins(); err != nil {
		return nil, err
	}
	m.crossOrigin, err = newCrossOrigin(m.origins)
	return m, err
}

// engine returns an engine without routes.
func (m *middleware) engine() (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.RemoteIPHeaders = []string{"X-Forwarded-For"}
	if err := e.SetTrustedProxies(m.trustedProxies); err != nil {
		return nil, fmt.Errorf("set trusted proxies: %w", err)
	}
	e.Use(m.closeWhileDraining, identify, setOpenAIShape, m.trace, m.observe, m.recoverPanic, m.secureHeaders, m.checkHost, m.checkPath, m.discardBody)
	e.NoRoute(m.problems.Handle(notFound))
	e.NoMethod(m.problems.Handle(func(c *gin.Context) error { return methodNotAllowed(c, e.Routes()) }))
	return e, nil
}

// notFound responds to a path without a route.
func notFound(c *gin.Context) error {
	return &problem.Problem{Code: problem.CodeNotFound, Reason: "path", Extra: map[string]any{"path": c.Request.URL.Path}}
}

// methodNotAllowed responds to a path that has routes for other methods. Those that Gin has named in Allow may include one of another
// path: it takes what it has skipped in the routes of one method for routes of the next.
func methodNotAllowed(c *gin.Context, routes gin.RoutesInfo) error {
	var allowed []string
	for _, r := range routes {
		if matches(r.Path, c.Request.URL.Path) && !slices.Contains(allowed, r.Method) {
			allowed = append(allowed, r.Method)
		}
	}
	slices.Sort(allowed)
	c.Header("Allow", strings.Join(allowed, ", "))
	return &problem.Problem{Code: problem.CodeMethod, Args: map[string]string{"method": methodOf(c, "…")}}
}

// matches reports whether a path is one of a route.
func matches(route, path string) bool {
	want, have := strings.Split(route, "/"), strings.Split(path, "/")
	for i, part := range want {
		switch {
		case strings.HasPrefix(part, "*"):
			return true
		case i >= len(have), strings.HasPrefix(part, ":") && have[i] == "", !strings.HasPrefix(part, ":") && part != have[i]:
			return false
		}
	}
	return len(want) == len(have)
}

// methods are the methods that may appear in responses and log lines.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodOptions, http.MethodConnect, http.MethodTrace,
}

// methodOf returns the method of a request, or other if it is unknown.
func methodOf(c *gin.Context, other string) string {
	if slices.Contains(methods, c.Request.Method) {
		return c.Request.Method
	}
	return other
}

// setOpenAIShape gives every error below /v1 the format of the OpenAI API.
func setOpenAIShape(c *gin.Context) {
	if isOpenAIPath(c.Request.URL.Path) {
		problem.OpenAIShape(c)
	}
}

// isOpenAIPath reports whether a path is one of the OpenAI-compatible API.
func isOpenAIPath(path string) bool { return path == "/v1" || strings.HasPrefix(path, "/v1/") }

// setErrorShape sets the error format of the routes of a path while the process starts and has no routes.
func setErrorShape(c *gin.Context) {
	path := c.Request.URL.Path
	under := func(prefixes ...string) bool {
		return slices.ContainsFunc(prefixes, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
	}
	switch {
	case under("/api/auth", "/api/feedback", "/api/images"), path == "/api/admin/feedback":
		problem.OriginalShape(c)
		problem.SuccessFalse(c)
	case under("/api/generate", "/api/pollinations", "/api/prompts", "/api/optimize", "/api/translate"):
		problem.OriginalShape(c)
	}
}
