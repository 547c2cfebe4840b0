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
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/text2image-audio/text2image-audio/pkg/hostname"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// Server serves /metrics and the probes /livez and /readyz on an address of its own,
// and /debug/pprof if that is a loopback address. The zero value is not usable: see
// NewServer.
type Server struct {
	cfg     Config
	metrics *Metrics
	log     *slog.Logger
	ready   atomic.Pointer[func(context.Context) error]
	// serving reports whether metrics are served; the probes always are.
	serving atomic.Bool

	// mu guards the fields below.
	mu       sync.Mutex
	stopped  bool
	http     *http.Server
	listener net.Listener
	done     chan struct{}
}

// NewServer returns a server of m that does not listen yet. If cfg does not enable
// metrics, Start does nothing.
func NewServer(cfg Config, m *Metrics, log *slog.Logger) *Server {
	return &Server{cfg: cfg, metrics: m, log: log}
}

// readTimeout bounds reading a request including its body.
const readTimeout = 5 * time.Second

// handler returns the handler for an address. Profiles are served on loopback only:
// they show the command line and take processor time.
func (s *Server) handler(address string) http.Handler {
	// Importing pprof also registers its handlers on http.DefaultServeMux, which is
	// never served.
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.Registry, promhttp.HandlerOpts{
		// A failing collector must not hide the others.
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
		return s.withProbes(requireToken(token, s.whileServing(mux)))
	case loopback && !s.cfg.MetricsPublic:
		return s.withProbes(requireLocalHost(s.whileServing(mux)))
	}
	return s.withProbes(s.whileServing(mux))
}

// Serving reports whether metrics are served.
func (s *Server) Serving() bool { return s.serving.Load() }

// Switch starts or stops serving metrics while the process runs. With METRICS_ENABLED the server keeps listening for the
// probes; without it, it listens only while metrics are on. Metrics are recorded all the time. Switch fails when METRICS_ADDR
// cannot be listened on or needs a token that is not set.
func (s *Server) Switch(ctx context.Context, on bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return nil
	}
	if !on {
		s.serving.Store(false)
		if s.cfg.MetricsEnabled {
			return nil
		}
		ctx, cancel := context.WithTimeout(ctx, stopTimeout)
		defer cancel()
		return s.close(ctx)
	}
	if s.listener == nil {
		cfg := s.cfg
		cfg.MetricsEnabled = true
		if err := cfg.Validate(); err != nil {
			return err
		}
		if err := s.listen(ctx); err != nil {
			return err
		}
	}
	s.serving.Store(true)
	return nil
}

// whileServing responds with 503 while metrics are off.
func (s *Server) whileServing(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.serving.Load() {
			http.Error(w, "metrics are off; run `api metrics on` to turn them on", http.StatusServiceUnavailable)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Start listens and serves in the background. It fails when the address cannot be
// listened on.
func (s *Server) Start(ctx context.Context) error {
	if !s.cfg.MetricsEnabled {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving.Store(true)
	return s.listen(ctx)
}

// listen starts serving. The caller holds mu.
func (s *Server) listen(ctx context.Context) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", s.cfg.MetricsAddr)
	if err != nil {
		return fmt.Errorf("listen for metrics on METRICS_ADDR: %w", err)
	}
	// No WriteTimeout: the caller of a profile chooses its duration.
	s.http = &http.Server{
		Handler:     s.handler(listener.Addr().String()),
		ReadTimeout: readTimeout, IdleTimeout: time.Minute,
	}
	server, done := s.http, make(chan struct{})
	s.listener, s.done = listener, done
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.ErrorContext(ctx, "metrics server failed", slog.Any("error", err))
		}
	}()
	return nil
}

// Addr returns the address that the server listens on, or "" if it does not.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Stop closes the server. Running requests have until ctx ends; then their
// connections are closed and Stop fails.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	s.serving.Store(false)
	return s.close(ctx)
}

// close stops serving. The caller holds mu.
func (s *Server) close(ctx context.Context) error {
	if s.listener == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("stop metrics server: %w", errors.Join(err, s.http.Close()))
	}
	<-s.done
	s.http, s.listener, s.done = nil, nil, nil
	return err
}

// stopTimeout is how long a stop waits for a scrape.
const stopTimeout = 2 * time.Second

// StopStep returns Stop as a shutdown step with a short limit.
func (s *Server) StopStep() lifecycle.Step {
	return lifecycle.Step{Name: "metrics", Stop: s.Stop, Limit: stopTimeout}
}
