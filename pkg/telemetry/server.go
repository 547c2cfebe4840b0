package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/text2image-audio/text2image-audio/pkg/hostname"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// Server offers /metrics and the probes /livez and /readyz on an address of its
// own, and /debug/pprof too where only this machine can reach it. The zero value is not usable: see NewServer.
type Server struct {
	cfg      Config
	metrics  *Metrics
	log      *slog.Logger
	http     *http.Server
	listener net.Listener
	done     chan struct{}
	ready    atomic.Pointer[func(context.Context) error]
}

// NewServer returns the server of m, not yet listening. When cfg does not enable
// metrics, Start and Stop do nothing.
func NewServer(cfg Config, m *Metrics, log *slog.Logger) *Server {
	return &Server{cfg: cfg, metrics: m, log: log}
}

// readTimeout bounds how long a request with its body may take to arrive.
const readTimeout = 15 * time.Second

// handler returns what is served on an address. Profiles never leave this
// machine: they show the command line and cost processor time.
func (s *Server) handler(address string) http.Handler {
	// Importing pprof adds its handlers to the default mux as well; nothing here
	// ever serves that one.
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.Registry, promhttp.HandlerOpts{
		// One broken collector must not hide the others.
		ErrorHandling: promhttp.ContinueOnError,
		Registry:      s.metrics.Registry,
	}))
	loopback := hostname.IsLoopbackAddress(address)
	if loopback {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("POST /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	switch token := strings.TrimSpace(s.cfg.MetricsToken.Reveal()); {
	case token != "":
		return s.withProbes(requireToken(token, mux))
	case loopback && !s.cfg.MetricsPublic:
		return s.withProbes(requireLocalHost(mux))
	}
	return s.withProbes(mux)
}

// Start listens and then serves in the background; when it returns, the address is
// open. It fails when the address cannot be listened on.
func (s *Server) Start(ctx context.Context) error {
	if !s.cfg.MetricsEnabled {
		return nil
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", s.cfg.MetricsAddr)
	if err != nil {
		return fmt.Errorf("listen for metrics: %w", err)
	}
	// A profile writes for as long as its caller asks, hence no WriteTimeout.
	s.http = &http.Server{
		Handler:           s.handler(listener.Addr().String()),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: readTimeout, IdleTimeout: time.Minute,
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

// stopLimit is how long a stop waits for a scrape.
const stopLimit = 2 * time.Second

// StopStep returns Stop as a step of a whole process, which does not wait long
// for a scrape.
func (s *Server) StopStep() lifecycle.Step {
	return lifecycle.Step{Name: "metrics", Stop: s.Stop, Limit: stopLimit}
}
