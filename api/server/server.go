package server

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/keys"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/hostname"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// Mail is how an installation is set up to send mail, as the health check tells it.
type Mail struct {
	// Off says that no mail server is set up, even if password resets reach people in another way.
	Off bool
	// Required says that the operator wants the health check to be degraded then.
	Required bool
}

// Deps are the parts that the server stands on. Those without a remark are required.
type Deps struct {
	Jobs  *jobs.Service
	Store *store.Store
	Queue *queue.Queue
	// Control knows which upstreams are closed and which kinds are paused.
	Control *control.Controller
	Feed    *feed.Feed
	Broker  *broker.Broker
	// Accounts are the people who have signed up, and Recovery sends those a letter who forgot their password.
	Accounts *account.Accounts
	Recovery *account.Recovery
	Quota    *quota.Quota
	// Eraser deletes accounts with everything that belongs to them.
	Eraser *erasure.Eraser
	// VerifyEmail has new accounts with a password confirm their address before they may submit anything.
	VerifyEmail bool
	// Feedback is what members tell the operator.
	Feedback *feedback.Box
	// Gallery is the pictures that members have saved.
	Gallery *gallery.Gallery
	// Google is signing in with Google; nil switches it off.
	Google *Google
	// Catalogue is the built-in list of models, against which settings are checked.
	Catalogue *job.Catalogue
	// Mail is how this installation is set up to send mail.
	Mail Mail
	// Models returns the list of models in force; Catalogue when nil.
	Models  func(context.Context) *job.Catalogue
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	// Tracing creates the spans of requests; nil creates none.
	Tracing *telemetry.Tracing
	// Secret is JWT_SECRET; keys for single purposes are derived from it.
	Secret []byte
	// OpenAPI is the contract in YAML, served as it is and shown at /docs.
	OpenAPI []byte
	// Web holds the page: index.html, and what it loads below assets/. Without it there is no page.
	Web fs.FS
	// Simulated says that the simulator stands in for the upstreams; the health check shows it.
	Simulated bool
	// MissingEnv names the required settings that are not set, for the health check. Optional.
	MissingEnv []string
	// SwitchDefaults are the values of the runtime switches that no operator has set. Optional.
	SwitchDefaults map[control.SwitchName]string
	// Now tells the time; time.Now when nil.
	Now func() time.Time
	// KeepAlive is how often a silent stream gets a comment; 15 seconds when 0.
	KeepAlive time.Duration
	// UploadGrace is how long the upload of an image may take before its rate counts; 5 seconds when 0.
	UploadGrace time.Duration
}

const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = time.Minute
	maxHeaderBytes    = 16 << 10
	keepAlive         = 15 * time.Second
)

// Server is the HTTP surface. It holds nothing that changes once it is made, but for the submissions under way, the wrong
// keys of the last minute and what it has logged.
type Server struct {
	cfg      Config
	deps     Deps
	keys     keys.Keys
	proxies  session.Proxies
	sessions *session.Sessions
	hosts    hostname.List
	trusted  *http.CrossOriginProtection
	problems *problem.Writer
	// submitter accepts jobs.
	submitter    *jobs.Submitter
	page         *page
	origins      []string
	adminGuesses *ratelimit.Limiter
	limits       *accountLimits
	saves        *ratelimit.Limiter
	health       *healthLog
	requests     *requestLog
	refusals     *refusalLog
	// pages are the paths at which the page takes what Google sends along.
	pages []string
	// acts is the log of what operators do; it does not heed LOG_LEVEL.
	acts   *slog.Logger
	engine *gin.Engine
	// draining is set once the process is about to stop.
	draining atomic.Bool
	// pending counts the submissions that wait to be stored, by address.
	pending ratelimit.Concurrency
	// saving is taken by whoever takes a picture apart.
	saving chan struct{}
	// holding is taken by whoever sends a large one.
	holding chan struct{}
	// uploads counts the images that are being uploaded, by member.
	uploads ratelimit.Concurrency
	// streams and waits count the event streams, and the requests that wait for a job, that are open, by caller.
	streams, waits ratelimit.Concurrency
	// backups counts the backups that are being made.
	backups ratelimit.Concurrency
}

// New returns a server. It fails when a setting names a model or voice that is not in the catalogue, and when the
// contract or the page cannot be read. It logs one warning when DEFAULT_AUDIO_MODEL names a retired model.
func New(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(deps.Secret) == 0 {
		return nil, fmt.Errorf("make server: no secret")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if deps.Models == nil {
		deps.Models = func(context.Context) *job.Catalogue { return deps.Catalogue }
	}
	if deps.KeepAlive == 0 {
		deps.KeepAlive = keepAlive
	}
	if deps.UploadGrace == 0 {
		deps.UploadGrace = uploadGrace
	}
	s := &Server{
		cfg: cfg, deps: deps, keys: keys.Derive(deps.Secret), adminGuesses: ratelimit.New(deps.Now, maxKeyGuesses, keyGuessWindow), saves: ratelimit.New(deps.Now, maxSaves, guessWindow), acts: telemetry.Audit(deps.Log),
		health: &healthLog{failed: make(map[string]bool)}, requests: &requestLog{refused: make(map[refusalKey]*refusals)}, refusals: newRefusalLog(),
		problems: problem.NewWriter(deps.Broker, deps.Now),
		saving:   make(chan struct{}, savesAtOnce),
		holding:  make(chan struct{}, heldAtOnce),
	}
	var err error
	if s.proxies, err = parseNetworks(cfg.TrustedProxies); err != nil {
		return nil, err
	}
	if s.hosts, err = cfg.hosts(); err != nil {
		return nil, err
	}
	if s.trusted, err = crossOrigin(cfg); err != nil {
		return nil, err
	}
	if s.origins, err = cfg.origins(); err != nil {
		return nil, err
	}
	s.sessions = session.New(deps.Accounts, s.keys.GuestCookie, s.proxies, deps.VerifyEmail)
	s.limits = newAccountLimits(s.keys.Attempts, deps.Now)
	s.submitter, err = jobs.NewSubmitter(cfg.Config, jobs.SubmitterDeps{
		Jobs: deps.Jobs, Quota: deps.Quota, Catalogue: deps.Catalogue, Secret: deps.Secret, Accepting: s.checkAccepting,
		Metrics: deps.Metrics, Log: deps.Log, Now: deps.Now,
	})
	if err != nil {
		return nil, err
	}
	if s.page, err = newPage(deps.Web, deps.OpenAPI); err != nil {
		return nil, err
	}
	if s.engine, err = s.routes(); err != nil {
		return nil, err
	}
	return s, nil
}

// Handler returns the whole surface.
func (s *Server) Handler() http.Handler { return s.engine }

// Route is one route of the surface, with its parameters written as :name, or *name for the rest of a path.
type Route struct{ Method, Path string }

// Routes returns every route, for tests that hold the surface against its contract.
func (s *Server) Routes() []Route {
	var routes []Route
	for _, r := range s.engine.Routes() {
		routes = append(routes, Route{Method: r.Method, Path: r.Path})
	}
	return routes
}

// HTTP returns an http.Server for the surface, without an address. When base ends, event streams end and waiting
// requests are answered with what is known by then; all others are left to finish, as Shutdown wants it.
//
// There is no WriteTimeout, which would cut streams: every write has a deadline of its own. ReadTimeout bounds the body of
// every request, whether the handler reads it or not. It cuts nobody off who waits: net/http lifts it once the body has
// come to its end.
func (s *Server) HTTP(base context.Context) *http.Server {
	return newHTTP(base, s.Handler(), s.deps.Log)
}

func newHTTP(base context.Context, handler http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       bind.BodyTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return lifetime.WithBase(base) },
	}
}

// ErrStopping is the cause with which the context ends that HTTP is given: streams and waits end with it.
var ErrStopping = lifetime.ErrStopping
