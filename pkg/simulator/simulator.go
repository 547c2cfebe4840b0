package simulator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

// Config says how a Simulator behaves. The zero value answers at once,
// accepts any key and logs nothing.
type Config struct {
	// Logger receives start, stop and server faults, never a prompt or a key.
	Logger *slog.Logger
	// Latency is how long good answers take; zero answers at once.
	Latency Latency
	// Keys lists the accepted keys; when empty, any key that is not blank is
	// accepted. A generation without a key is always refused.
	Keys []string
	// CacheBytes bounds the cache of generated media; zero means 64 MiB.
	CacheBytes int64
	// Balance is what the account routes report; zero means 8.44.
	Balance float64
	// Seed makes jitter and the rolls of rules with a Probability repeatable.
	Seed uint64
	// Now tells the time; nil means time.Now.
	Now func() time.Time
}

// Simulator is the server as a value. Make it with New; it is safe for
// concurrent use.
type Simulator struct {
	config   Config
	log      *slog.Logger
	routes   []route
	faults   map[string]fault
	content  *content.Generator
	cache    *cache
	calls    *callLog
	rules    *ruleBook
	dice     *dice
	buckets  *buckets
	prefixes *prefixes
	turns    *turnstile
	google   *Google
	made     [3]atomic.Int64

	// ctx lives as long as the Simulator: generations run under it, because
	// they outlive the request that asked for them.
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	server   *http.Server
	listener net.Listener
	served   chan struct{}
}

// errStopped is the cause under which everything still running ends.
var errStopped = errors.New("simulator is stopped")

// New makes a Simulator that serves through Handler at once and through its
// own listener after Start. It must be ended with Stop.
func New(config Config) *Simulator {
	if config.Logger == nil {
		config.Logger = slog.New(slog.DiscardHandler)
	}
	if config.CacheBytes == 0 {
		config.CacheBytes = 64 << 20
	}
	if config.Balance == 0 {
		config.Balance = 8.44
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	config.Keys = slices.Clone(config.Keys)
	s := &Simulator{
		config:   config,
		log:      config.Logger,
		routes:   routes(),
		faults:   faults(),
		content:  content.New(),
		calls:    newCallLog(),
		rules:    newRuleBook(),
		dice:     newDice(config.Seed),
		buckets:  newBuckets(config.Now),
		prefixes: newPrefixes(),
		turns:    newTurnstile(config.Now),
	}
	s.google = newGoogle(s)
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	s.cache = newCache(s.ctx, config.CacheBytes)
	return s
}

// Start listens on addr, a loopback address such as "127.0.0.1:0" (which the
// empty string means), and serves in the background. It fails when the
// address is not loopback, is taken, or the Simulator was started or stopped
// before. When it returns, the port is open. The context bounds the listening
// only; Stop ends the serving.
func (s *Simulator) Start(ctx context.Context, addr string) error {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("read simulator address: %w", err)
	}
	if !isLoopback(host) {
		return fmt.Errorf("listen on %q: the simulator serves loopback only", addr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		return errors.New("start simulator: it was started before")
	}
	if s.ctx.Err() != nil {
		return fmt.Errorf("start simulator: %w", errStopped)
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s.listener, s.served = listener, make(chan struct{})
	s.server = &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	server, served := s.server, s.served
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.log.ErrorContext(s.ctx, "simulator stopped serving", "error", err)
		}
	}()
	s.log.DebugContext(ctx, "simulator is listening", "address", listener.Addr().String())
	return nil
}

// Stop ends every held, hanging or generating request, closes the listener
// and waits for what is left, at most until ctx ends. It may be called more
// than once, and before Start.
func (s *Simulator) Stop(ctx context.Context) error {
	s.cancel(errStopped)
	s.mu.Lock()
	server, served := s.server, s.served
	s.mu.Unlock()
	var fault error
	if server != nil {
		if err := server.Shutdown(ctx); err != nil {
			fault = fmt.Errorf("shut down simulator: %w", errors.Join(err, server.Close()))
		}
		<-served
	}
	if err := s.cache.wait(ctx); err != nil {
		return errors.Join(fault, fmt.Errorf("wait for generations: %w", err))
	}
	return fault
}

// Handler returns the whole simulator as an http.Handler, for a test that
// brings its own server.
func (s *Simulator) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// URL returns the base address without a trailing slash, empty before Start.
func (s *Simulator) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// PollinationsURL returns the base address of the Pollinations gateway.
func (s *Simulator) PollinationsURL() string { return s.URL() }

// DeepSeekURL returns the base address of DeepSeek.
func (s *Simulator) DeepSeekURL() string { return s.under(deepSeekPrefix) }

// SiliconFlowURL returns the base address of SiliconFlow, which ends in /v1.
func (s *Simulator) SiliconFlowURL() string { return s.under(siliconFlowPrefix + "/v1") }

// LegacyImageURL returns the base address of the legacy Pollinations host for
// pictures.
func (s *Simulator) LegacyImageURL() string { return s.under(legacyImagePrefix) }

// LegacyTextURL returns the base address of the legacy Pollinations host for
// text and speech.
func (s *Simulator) LegacyTextURL() string { return s.under(legacyTextPrefix) }

// under returns an address below the base, empty before Start.
func (s *Simulator) under(path string) string {
	if base := s.URL(); base != "" {
		return base + path
	}
	return ""
}

// Generations counts what was really made for a kind: neither hits in the
// cache, nor requests that joined a running generation, nor scripted faults.
func (s *Simulator) Generations(kind Kind) int {
	if n := kind.index(); n >= 0 {
		return int(s.made[n].Load())
	}
	return 0
}

// isLoopback reports whether a host, without its port, is this machine.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}
