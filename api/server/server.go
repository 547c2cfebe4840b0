package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/keys"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/openai"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/api/server/internal/thumbnail"
	"github.com/text2image-audio/text2image-audio/pkg/account"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
	"github.com/text2image-audio/text2image-audio/pkg/batch"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/spend"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/pkg/webhook"
)

// Mail is the configuration of email, for the health report.
type Mail struct {
	// Off reports that no mail server is configured, even if password resets reach users in another way.
	Off bool
	// Required makes the health report degraded while mail is off.
	Required bool
}

// Deps are the parts that the server uses. They are required unless stated otherwise.
type Deps struct {
	Jobs  *jobs.Service
	Store *store.Store
	Queue *queue.Queue
	// Control has the circuit breakers, the pauses and the runtime switches.
	Control *control.Controller
	Feed    *feed.Feed
	Broker  *broker.Broker
	// Accounts are those of members, and Recovery sends emails to reset passwords and verify addresses.
	Accounts *account.Accounts
	Recovery *account.Mailer
	// Keys are the API keys of members and the operator.
	Keys  *apikey.Keys
	Quota *quota.Quota
	// Eraser deletes accounts with all their data.
	Eraser *erasure.Eraser
	// VerifyEmail requires new accounts with a password to verify their email address before they can submit jobs.
	VerifyEmail bool
	// Feedback stores the feedback of members.
	Feedback *feedback.Box
	// Gallery stores the saved images of members.
	Gallery *gallery.Gallery
	// Webhooks sends the events of jobs to the URLs of members.
	Webhooks *webhook.Service
	Batches  *batch.Service
	// Google configures sign-in with Google; nil disables it.
	Google *Google
	// Catalogue is the built-in list of models, against which settings are validated.
	Catalogue *job.Catalogue
	Mail      Mail
	// Models returns the current list of models; Catalogue when nil.
	Models  func(context.Context) *job.Catalogue
	Metrics *telemetry.Metrics
	Log     *slog.Logger
	// Tracing creates the spans of requests; nil creates none.
	Tracing *telemetry.Tracing
	// Secret is JWT_SECRET, from which keys for single purposes are derived.
	Secret []byte
	// Page is the page and the contract.
	Page *Page
	// Simulated reports that the simulator replaces the upstreams, for the health report.
	Simulated bool
	// MissingEnv names the required settings that are missing, for the health report. Optional.
	MissingEnv []string
	// SwitchDefaults are the values of switches that no operator has set. Optional.
	SwitchDefaults map[control.SwitchName]string
	// Now returns the time; time.Now when nil.
	Now func() time.Time
}

const (
	readHeaderTimeout = 5 * time.Second
	idleTimeout       = time.Minute
	maxHeaderBytes    = 16 << 10
	// keepAlive is how often a silent stream gets a comment.
	keepAlive = 15 * time.Second
)

// Server is the HTTP API. Its only mutable state is counts of requests in progress, rate limits and log sampling.
type Server struct {
	engine   *gin.Engine
	handlers *handlers
}

// handlers are the handlers of all routes.
type handlers struct {
	*middleware
	sessions      *session.Sessions
	operator      *operator
	jobs          *jobHandler
	batches       *batchHandler
	events        *eventHandler
	original      *originalHandler
	openAI        *openAIHandler
	auth          *authHandler
	google        *googleHandler
	keys          *keyHandler
	adminKeys     *adminKeyHandler
	feedback      *feedbackHandler
	images        *imageHandler
	uploads       *uploadHandler
	models        *modelHandler
	quota         *quotaHandler
	usage         *usageHandler
	webhooks      *webhookHandler
	deadLetters   *deadLetterHandler
	control       *controlHandler
	adminFeedback *adminFeedbackHandler
	backup        *backupHandler
	health        *healthHandler
	page          *pageHandler
}

// New returns a server. It fails if a setting is invalid or names a model or voice that is not in the catalogue, or if there is no secret
// or no page. It logs a warning if DEFAULT_AUDIO_MODEL names a retired model.
func New(cfg Config, deps Deps) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if len(deps.Secret) == 0 {
		return nil, errors.New("server: no secret")
	}
	if deps.Page == nil {
		return nil, errors.New("server: no page")
	}
	deps.setDefaults()
	h, err := newHandlers(&cfg, &deps)
	if err != nil {
		return nil, err
	}
	e, err := h.routes()
	if err != nil {
		return nil, err
	}
	return &Server{engine: e, handlers: h}, nil
}

// setDefaults fills in the optional parts.
func (d *Deps) setDefaults() {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Models == nil {
		d.Models = func(context.Context) *job.Catalogue { return d.Catalogue }
	}
}

// newHandlers gives every handler what it needs.
func newHandlers(cfg *Config, d *Deps) (*handlers, error) {
	derived, problems := keys.Derive(d.Secret), problem.NewWriter(d.Broker, d.Now)
	m, err := newMiddleware(cfg, problems, d.Metrics, d.Tracing, d.Log)
	if err != nil {
		return nil, err
	}
	submitter, err := jobs.NewSubmitter(cfg.Config, jobs.SubmitterDeps{
		Jobs: d.Jobs, Quota: d.Quota, Catalogue: d.Catalogue, Secret: d.Secret,
		Control: d.Control, Metrics: d.Metrics, Log: d.Log, Now: d.Now,
	})
	if err != nil {
		return nil, err
	}
	sessions := session.New(session.Config{
		Accounts: d.Accounts, Keys: d.Keys, Jobs: d.Jobs, GuestKey: derived.GuestCookie, Proxies: m.proxies, VerifyEmail: d.VerifyEmail, Log: d.Log,
	})
	accountOwners := &owners{accounts: d.Accounts, sessions: sessions, eraser: d.Eraser}
	hooks := &webhookHandler{
		hooks: d.Webhooks, sessions: sessions, owners: accountOwners, sends: ratelimit.New(d.Now, maxWebhookSends, guessWindow),
	}
	subs := &submissions{
		submitter: submitter, webhooks: hooks, queue: d.Queue, jobs: d.Jobs, store: d.Store, sessions: sessions, owners: accountOwners,
		problems: problems, metrics: d.Metrics,
		maxPending: cfg.MaxPending, timeout: cmp.Or(cfg.hooks.SubmitTimeout, submitTimeout),
	}
	views := &jobViews{feed: d.Feed}
	streams := &streamLimits{maxPerCaller: cfg.MaxStreamsPerCaller, maxTotal: cfg.MaxStreams}
	limits := newAccountLimits(derived.Attempts, d.Now)
	signups := &signupLimit{accounts: d.Accounts, max: cfg.MaxSignups, key: derived.Attempts, log: d.Log}
	op := newOperator(cfg.AdminKey, derived, sessions, problems, d.Now, d.Log)
	uploaded := newUploadedImages(cmp.Or(cfg.hooks.UploadGrace, uploadGrace))
	links, err := openai.NewLinks(derived.MediaLinks)
	if err != nil {
		return nil, err
	}
	jobRoutes := &jobHandler{
		submissions: subs, jobViews: views, jobs: d.Jobs, store: d.Store, limits: streams, models: d.Models, now: d.Now, log: d.Log,
		thumbnails: thumbnail.New(thumbnailCache),
	}
	events := &eventHandler{
		jobs: d.Jobs, feed: d.Feed, sessions: sessions, limits: streams, metrics: d.Metrics,
		keepAlive: cmp.Or(cfg.hooks.KeepAlive, keepAlive), outlive: m.outlive, now: d.Now, log: d.Log,
	}
	return &handlers{
		middleware: m,
		sessions:   sessions,
		operator:   op,
		jobs:       jobRoutes,
		batches:    &batchHandler{jobHandler: jobRoutes, batches: d.Batches, events: events},
		events:     events,
		original: &originalHandler{
			submissions: subs, jobViews: views, jobs: d.Jobs, store: d.Store, models: d.Models, catalogue: d.Catalogue,
			syncWait: cfg.SyncWait, log: d.Log,
		},
		openAI: &openAIHandler{
			submissions: subs, jobViews: views, jobs: d.Jobs, store: d.Store, limits: streams, links: links, models: d.Models, catalogue: d.Catalogue,
			converter: openai.NewConverter(), uploaded: uploaded, syncWait: cfg.SyncWait, keepAlive: cmp.Or(cfg.hooks.KeepAlive, keepAlive), now: d.Now,
		},
		auth: &authHandler{
			accounts: d.Accounts, recovery: d.Recovery, eraser: d.Eraser, sessions: sessions, limits: limits, signups: signups,
			verifyEmail: d.VerifyEmail, log: d.Log,
		},
		google: &googleHandler{
			google: d.Google, accounts: d.Accounts, recovery: d.Recovery, sessions: sessions, limits: limits, signups: signups,
			problems: problems, flowKey: derived.GoogleFlow, now: d.Now, log: d.Log,
		},
		keys:      &keyHandler{keys: d.Keys, owners: accountOwners, created: ratelimit.New(d.Now, maxKeysCreated, keyWindow)},
		adminKeys: &adminKeyHandler{operator: op, keys: d.Keys},
		feedback:  &feedbackHandler{feedback: d.Feedback, sessions: sessions, owners: accountOwners, now: d.Now},
		images: &imageHandler{
			gallery: d.Gallery, jobs: d.Jobs, store: d.Store, sessions: sessions, owners: accountOwners,
			uploads: newUploads(cmp.Or(cfg.hooks.UploadGrace, uploadGrace), maxImageRead, heldAtOnce, imageProblem(gallery.ErrTooLarge)),
			saves:   ratelimit.New(d.Now, maxSaves, guessWindow), saving: make(chan struct{}, maxSavesAtOnce), now: d.Now,
		},
		uploads: &uploadHandler{
			store: d.Store, sessions: sessions, owners: accountOwners, metrics: d.Metrics,
			images: uploaded, limits: ratelimit.New(d.Now, maxUploadsPerHour, time.Hour),
		},
		models:   &modelHandler{models: d.Models, submitter: submitter, control: d.Control},
		webhooks: hooks,
		quota:    &quotaHandler{submitter: submitter, sessions: sessions, problems: problems, now: d.Now},
		usage: &usageHandler{
			spend: spend.New(d.Broker), submitter: submitter, quota: d.Quota, accounts: d.Accounts, keys: d.Keys, now: d.Now,
		},
		deadLetters:   &deadLetterHandler{operator: op, store: d.Store, submitter: submitter, owners: accountOwners, metrics: d.Metrics},
		control:       &controlHandler{operator: op, control: d.Control, switchDefaults: d.SwitchDefaults, now: d.Now},
		adminFeedback: &adminFeedbackHandler{operator: op, feedback: d.Feedback},
		backup:        &backupHandler{operator: op, broker: d.Broker, secret: d.Secret, now: d.Now, log: d.Log},
		health: &healthHandler{
			broker: d.Broker, queue: d.Queue, store: d.Store, control: d.Control, accounts: d.Accounts, recovery: d.Recovery,
			token: cfg.HealthToken, mail: d.Mail, simulated: d.Simulated, missingEnv: d.MissingEnv, draining: m.draining,
			states: &healthLog{failed: make(map[string]bool)}, now: d.Now, log: d.Log,
		},
		page: &pageHandler{page: d.Page, sessions: sessions},
	}, nil
}

// Handler returns the handler of all routes.
func (s *Server) Handler() http.Handler { return s.engine }

// Route is a route, with its parameters written as :name, or *name for the rest of a path.
type Route struct{ Method, Path string }

// Routes returns every route, for tests that compare them with the contract.
func (s *Server) Routes() []Route {
	var routes []Route
	for _, r := range s.engine.Routes() {
		routes = append(routes, Route{Method: r.Method, Path: r.Path})
	}
	return routes
}

// AwaitStreams waits until the last event of every stream has been sent, or fails with the cause of ctx. It is to be called after
// Shutdown, which does not wait for streams because they have taken over their connections.
func (s *Server) AwaitStreams(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		s.handlers.events.open.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("await streams: %w", context.Cause(ctx))
	}
}

// HTTP returns an http.Server for the API, without an address. When base ends, event streams end and waiting requests respond
// with the current state; all others can finish, as Shutdown expects.
//
// There is no WriteTimeout, which would end streams: every write has a deadline of its own. ReadTimeout bounds the body of
// every request, whether the handler reads it or not, but not a request that waits: net/http clears it at the end of the
// body.
func (s *Server) HTTP(base context.Context) *http.Server {
	return newHTTP(base, s.Handler(), s.handlers.log)
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

// ErrStopping is the cause with which the caller of HTTP cancels base; streams and waiting requests end with it.
var ErrStopping = lifetime.ErrStopping
