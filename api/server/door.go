package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// Door answers from the first moment of a process: that it lives and, until Open, that it is not ready for anything else.
// A process may wait long for NATS, and whoever watches over it must not take that for a fault.
type Door struct {
	log *slog.Logger
	// starting answers until Open.
	starting *Server
	handler  atomic.Pointer[http.Handler]
}

// NewDoor returns a closed door. It fails when TRUSTED_PROXIES or PUBLIC_HOSTS cannot be used.
func NewDoor(cfg Config, metrics *telemetry.Metrics, log *slog.Logger) (*Door, error) {
	s := &Server{
		cfg: cfg, deps: Deps{Metrics: metrics, Log: log, Now: time.Now}, requests: &requestLog{refused: make(map[refusalKey]*refusals)}, refusals: newRefusalLog(),
		problems: problem.NewWriter(nil, time.Now),
	}
	var err error
	if s.proxies, err = parseNetworks(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	if s.hosts, err = cfg.hosts(); err != nil {
		return nil, err
	}
	e, err := s.bare()
	if err != nil {
		return nil, err
	}
	e.GET("/livez", s.problems.Handle(s.live))
	e.HEAD("/livez", s.problems.Handle(s.live))
	e.NoRoute(s.problems.Handle(func(c *gin.Context) error {
		shapeByPath(c)
		return problem.Because(problem.CodeUnavailable, "starting")
	}))
	e.NoMethod(s.problems.Handle(s.methodNotAllowed))
	d := &Door{log: log, starting: s}
	var closed http.Handler = e
	d.handler.Store(&closed)
	return d, nil
}

// shapeByPath gives errors the shape that the routes of a path give them, before there are routes.
func shapeByPath(c *gin.Context) {
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

// Open lets requests through to a server.
func (d *Door) Open(s *Server) {
	handler := s.Handler()
	d.handler.Store(&handler)
}

// ServeHTTP answers, or has the server answer.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) { (*d.handler.Load()).ServeHTTP(w, r) }

// HTTP returns an http.Server for whatever stands behind the door, as Server.HTTP does.
func (d *Door) HTTP(base context.Context) *http.Server { return newHTTP(base, d, d.log) }

// bare returns an engine without routes, with what all of them have in common.
func (s *Server) bare() (*gin.Engine, error) {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.HandleMethodNotAllowed = true
	e.RedirectTrailingSlash = false
	e.RemoteIPHeaders = []string{"X-Forwarded-For"}
	if err := e.SetTrustedProxies(s.cfg.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trust proxies: %w", err)
	}
	e.Use(s.closeWhileDraining, s.identify, s.trace, s.observe, s.recoverPanic, s.secureHeaders, s.checkHost, s.checkPath, s.discardBody)
	return e, nil
}
