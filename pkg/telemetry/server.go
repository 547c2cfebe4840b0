package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Server offers /metrics and /debug/pprof on an address of their own, which is
// meant to be private. The zero value is not usable: see NewServer.
type Server struct {
	addr     string
	enabled  bool
	log      *slog.Logger
	http     *http.Server
	listener net.Listener
	done     chan struct{}
}

// NewServer returns the server of m, not yet listening. When cfg does not enable
// metrics, Start and Stop do nothing.
func NewServer(cfg Config, m *Metrics, log *slog.Logger) *Server {
	// Importing pprof adds its handlers to the default mux as well; nothing here
	// ever serves that one.
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{
		// One broken collector must not hide the others.
		ErrorHandling: promhttp.ContinueOnError,
		Registry:      m.Registry,
	}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return &Server{
		addr:    cfg.MetricsAddr,
		enabled: cfg.MetricsEnabled,
		log:     log,
		// A profile writes for as long as its caller asks, hence no WriteTimeout.
		http: &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute},
	}
}

// Start listens and then serves in the background; when it returns, the address is
// open. It fails when the address cannot be listened on.
func (s *Server) Start(ctx context.Context) error {
	if !s.enabled {
		return nil
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listen for metrics: %w", err)
	}
	s.listener, s.done = listener, make(chan struct{})
	go func() {
		defer close(s.done)
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.ErrorContext(ctx, "metrics server ended", slog.Any("error", err))
		}
	}()
	return nil
}

// Addr returns the address that is listened on, with the port that was chosen; it
// is empty unless the server was started and metrics are enabled.
func (s *Server) Addr() string {
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Stop ends the server. Requests under way have until ctx ends, then they are cut
// off and Stop fails.
func (s *Server) Stop(ctx context.Context) error {
	if s.listener == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("stop metrics server: %w", errors.Join(err, s.http.Close()))
	}
	<-s.done
	return err
}
