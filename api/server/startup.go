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

// StartupHandler responds while a process starts: until Open, /livez succeeds and every other route returns 503. A process may
// wait long for NATS, which its supervisor must not mistake for a crash.
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

// Open makes the handler pass requests to s.
func (h *StartupHandler) Open(s *Server) {
	handler := s.Handler()
	h.handler.Store(&handler)
}

// ServeHTTP passes the request to the server if the handler is open.
func (h *StartupHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	(*h.handler.Load()).ServeHTTP(w, r)
}

// HTTP returns an http.Server for the handler, as Server.HTTP does.
func (h *StartupHandler) HTTP(base context.Context) *http.Server { return newHTTP(base, h, h.log) }
