package simulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/hostname"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/deepseek"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/google"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/kit"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/legacy"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/pollinations"
	"github.com/text2image-audio/text2image-audio/pkg/simulator/siliconflow"
)

// Simulator is the simulated upstreams as one HTTP server. Make it with New; it is
// safe for concurrent use. Its methods to script rules, to wait for calls and to
// read them are those of the embedded server.
type Simulator struct {
	*kit.Server

	google *google.Provider
	stop   context.CancelCauseFunc
	// ctx ends at Stop: generations run under it, because they outlive the request
	// that asked for them.
	ctx context.Context

	mu       sync.Mutex
	http     *http.Server
	listener net.Listener
	served   chan struct{}
}

// errStopped is the cause with which everything that is still running ends.
var errStopped = errors.New("simulator is stopped")

// New returns a simulator that serves through Handler at once and through its own
// listener after Start. It must be ended with Stop.
func New(config Config) *Simulator {
	config = config.WithDefaults()
	s := &Simulator{}
	s.ctx, s.stop = context.WithCancelCause(context.Background())
	s.google = google.New(config.Now, s.GoogleURL)
	images, texts := legacy.New(config.Now)
	s.Server = kit.New(s.ctx, config, pollinations.New(config.Now), deepseek.New(), siliconflow.New(), images, texts, s.google.Host())
	return s
}

// Start listens on addr, a loopback address such as "127.0.0.1:0", which is the
// default, and serves in the background. It fails if the address is not loopback or
// already in use, or if the simulator was started or stopped before. When it
// returns, the port is open. The context bounds the listening only; Stop ends the
// serving.
func (s *Simulator) Start(ctx context.Context, addr string) error {
	addr = cmp.Or(addr, "127.0.0.1:0")
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("read simulator address: %w", err)
	}
	if !hostname.IsLoopback(host) {
		return fmt.Errorf("listen on %q: the simulator serves loopback only", addr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http != nil {
		return errors.New("start simulator: it was started before")
	}
	if s.ctx.Err() != nil {
		return fmt.Errorf("start simulator: %w", errStopped)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	log := s.Config.Logger
	server, served := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}, make(chan struct{})
	s.http, s.listener, s.served = server, listener, served
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.ErrorContext(s.ctx, "simulator stopped serving", "error", err)
		}
	}()
	log.DebugContext(ctx, "simulator is listening", "address", listener.Addr().String())
	return nil
}

// Stop ends all held, hanging and generating requests, closes the listener and
// waits for the rest, at most until ctx ends. It may be called more than once, and
// before Start.
func (s *Simulator) Stop(ctx context.Context) error {
	s.stop(errStopped)
	s.mu.Lock()
	server, served := s.http, s.served
	s.mu.Unlock()
	var shutdown error
	if server != nil {
		if err := server.Shutdown(ctx); err != nil {
			shutdown = fmt.Errorf("shut down simulator: %w", errors.Join(err, server.Close()))
		}
		<-served
	}
	if err := s.Wait(ctx); err != nil {
		return errors.Join(shutdown, fmt.Errorf("wait for generations: %w", err))
	}
	return shutdown
}

// Google returns the simulated Google.
func (s *Simulator) Google() *google.Provider { return s.google }

// URL returns the base URL without a trailing slash, empty before Start.
func (s *Simulator) URL() string { return s.urlOf("") }

// PollinationsURL returns the base URL of Pollinations.
func (s *Simulator) PollinationsURL() string { return s.urlOf("") }

// DeepSeekURL returns the base URL of DeepSeek.
func (s *Simulator) DeepSeekURL() string { return s.urlOf(deepseek.Prefix) }

// SiliconFlowURL returns the base URL of SiliconFlow, which ends in /v1.
func (s *Simulator) SiliconFlowURL() string { return s.urlOf(siliconflow.BasePath) }

// LegacyImageURL returns the base URL of the legacy Pollinations host for images.
func (s *Simulator) LegacyImageURL() string { return s.urlOf(legacy.ImagePrefix) }

// LegacyTextURL returns the base URL of the legacy Pollinations host for text and
// speech.
func (s *Simulator) LegacyTextURL() string { return s.urlOf(legacy.TextPrefix) }

// GoogleURL returns the issuer of the simulated Google.
func (s *Simulator) GoogleURL() string { return s.urlOf(google.Prefix) }

// urlOf returns the URL of a path, empty before Start.
func (s *Simulator) urlOf(path string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String() + path
}
