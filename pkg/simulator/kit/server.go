// Package kit is what the simulated upstreams share: exchanges, scripted rules,
// recorded calls, latency, limits, faults and the cache of generated media. It
// knows no upstream; each one is a Host.
package kit

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

// Server serves the hosts of one simulator. It is safe for concurrent use.
type Server struct {
	Config  Config
	Content *content.Generator

	log    *slog.Logger
	hosts  []*Host
	faults map[string]Fault
	cache  *cache
	calls  *callLog
	rules  *ruleBook
	random *random

	mu        sync.Mutex
	generated map[Kind]int
}

// WithDefaults returns the configuration with the defaults filled in.
func (c Config) WithDefaults() Config {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.CacheBytes = cmp.Or(c.CacheBytes, 64<<20)
	c.Balance = cmp.Or(c.Balance, 8.44)
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Keys = slices.Clone(c.Keys)
	return c
}

// New returns a server of the given hosts, of which the first serves every path
// that belongs to no other. Generations run until ctx ends, because they outlive
// the requests that started them. The configuration must have its defaults.
func New(ctx context.Context, config Config, hosts ...*Host) *Server {
	s := &Server{
		Config: config, Content: content.New(), log: config.Logger, hosts: hosts,
		cache: newCache(ctx, config.CacheBytes), calls: newCallLog(), rules: newRuleBook(), random: newRandom(config.Seed),
		generated: map[Kind]int{},
	}
	s.faults = builtinFaults()
	control := controlRoutes()
	for _, host := range hosts {
		control = append(control, host.Control...)
		maps.Copy(s.faults, host.Faults)
		for name := range host.Failures {
			s.faults[name] = s.scriptedFailure(name)
		}
	}
	for _, route := range control {
		route.Path = controlPrefix + route.Path
		hosts[0].Routes = append(hosts[0].Routes, route)
	}
	return s
}

// Handler returns all hosts and the control routes as an http.Handler.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Wait returns when no generation is running any more. It fails when ctx ends
// first.
func (s *Server) Wait(ctx context.Context) error { return s.cache.wait(ctx) }

// Generations returns how many generations of a kind have run. Cache hits,
// requests that joined a running generation and scripted faults do not count.
func (s *Server) Generations(kind Kind) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.generated[kind]
}

// CountGeneration counts one more generation of a kind.
func (s *Server) CountGeneration(kind Kind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generated[kind]++
}

// host finds the host of a path.
func (s *Server) host(path string) *Host {
	for _, host := range s.hosts[1:] {
		if path == host.Prefix || strings.HasPrefix(path, host.Prefix+"/") {
			return host
		}
	}
	return s.hosts[0]
}

// dispatch finds the route and runs its handler. The first match serves.
func (x *Exchange) dispatch() {
	path := resolveDots(x.Host.Prefix, x.Request.URL.EscapedPath())
	literal := unescapeSegments(path)
	wrongMethod := false
	for _, route := range x.Host.Routes {
		prefix, open := strings.CutSuffix(x.Host.Prefix+route.Path, "*")
		if literal != x.Host.Prefix+route.Path && (!open || !strings.HasPrefix(path, prefix)) {
			continue
		}
		method := x.Request.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		if method != route.Method {
			wrongMethod = true
			continue
		}
		x.Kind = route.Kind
		if open {
			x.Rest = path[len(prefix):]
		}
		if strings.HasPrefix(literal, controlPrefix) && !x.mayControl() {
			return
		}
		route.Handle(x)
		return
	}
	switch {
	case x.Host.NotFound != nil:
		x.Host.NotFound(x)
	case wrongMethod:
		x.Fail(Failure{Status: http.StatusMethodNotAllowed, Code: "METHOD_NOT_ALLOWED", Message: "Method not allowed."})
	default:
		x.Fail(Failure{Status: http.StatusNotFound, Code: "NOT_FOUND", Message: "The requested resource was not found."})
	}
}

// resolveDots removes the segments "." and "..", escaped or not, as the URL
// parsers of the upstreams do before they look for a route. It does not leave
// the prefix, which stands for a host.
func resolveDots(prefix, path string) string {
	rest, ok := strings.CutPrefix(path, prefix+"/")
	if !ok {
		return path
	}
	var kept []string
	segments := strings.Split(rest, "/")
	for i, segment := range segments {
		last := i == len(segments)-1
		switch strings.ReplaceAll(strings.ToLower(segment), "%2e", ".") {
		case "..":
			if len(kept) > 0 {
				kept = kept[:len(kept)-1]
			}
		case ".":
		default:
			kept = append(kept, segment)
			continue
		}
		if last {
			kept = append(kept, "")
		}
	}
	return prefix + "/" + strings.Join(kept, "/")
}

// unescapeSegments decodes each segment of a path, except those that contain an
// escaped slash.
func unescapeSegments(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		if decoded, err := url.PathUnescape(segment); err == nil && !strings.Contains(decoded, "/") {
			segments[i] = decoded
		}
	}
	return strings.Join(segments, "/")
}
