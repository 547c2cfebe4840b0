package server

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// StartupHandler responds from the first moment of a process: that it is alive and, until Open, that it is not ready. A
// process may wait long for NATS, and its supervisor must not take that for a crash.
type StartupHandler struct {
	log     *slog.Logger
	handler atomic.Pointer[http.Handler]
}

// NewStartupHandler returns a handler that is not open. It fails when TRUSTED_PROXIES or PUBLIC_HOSTS is invalid.
func NewStartupHandler(cfg Config, metrics *telemetry.Metrics, log *slog.Logger) (*StartupHandler, error) {
	problems := problem.NewWriter(nil, time.Now)
	m, err := newMiddleware(&cfg, problems, metrics, nil, log)
	if err != nil {
		return nil, err
	}
	e, err := m.engine()
	if err != nil {
		return nil, err
	}
	read(e, "/livez", problems.Handle(live))
	e.NoRoute(problems.Handle(func(c *gin.Context) error {
		setErrorShape(c)
		return problem.Because(problem.CodeUnavailable, "starting")
	}))
	h := &StartupHandler{log: log}
	var closed http.Handler = e
	h.handler.Store(&closed)
	return h, nil
}

// Open passes requests to a server from now on.
func (h *StartupHandler) Open(s *Server) {
	handler := s.Handler()
	h.handler.Store(&handler)
}

// ServeHTTP responds, or passes the request to the server.
func (h *StartupHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*h.handler.Load()).ServeHTTP(w, r)
}

// HTTP returns an http.Server for the handler, as Server.HTTP does.
func (h *StartupHandler) HTTP(base context.Context) *http.Server { return newHTTP(base, h, h.log) }
