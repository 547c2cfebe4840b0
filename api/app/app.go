// Package app is one API process as a value: New, Start, Stop. It is the only package that knows both the API and the worker,
// which runs inside the process when NATS is embedded.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/api/web"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
	"github.com/text2image-audio/text2image-audio/pkg/batch"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/spend"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/pkg/webhook"
	worker "github.com/text2image-audio/text2image-audio/worker/app"
)

// App is one API process.
type App struct {
	cfg     Config
	log     *slog.Logger
	metrics *telemetry.Metrics
	tracing *telemetry.Tracing

	broker   *broker.Broker
	queue    *queue.Queue
	control  *control.Controller
	store    *store.Store
	worker   *worker.Worker
	server   *server.Server
	listener net.Listener
	served   chan error
	// running stops what was started, the last one first.
	running lifecycle.Stack
}

// New validates the settings and returns a process, which Start starts.
func New(cfg Config, log *slog.Logger) (*App, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Server.Loopback = cfg.local()
	metrics := telemetry.NewMetrics()
	metrics.Sample(cfg.Telemetry.SampleRate)
	return &App{cfg: cfg, log: log, metrics: metrics, served: make(chan error, 1)}, nil
}

// Start starts all parts and opens the port once the process can serve. If an external NATS is unreachable, the port opens
// after startupGrace and requests get 503. ctx bounds the start only. If Start fails, nothing is left running.
func (a *App) Start(ctx context.Context) error {
	if err := a.start(ctx); err != nil {
		return errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

// start is one long function on purpose: it shows the order in which the parts start. They stop in the reverse order.
func (a *App) start(ctx context.Context) error {
	startup, err := server.NewStartupHandler(a.cfg.Server, a.metrics, a.log)
	if err != nil {
		return err
	}
	if a.tracing, err = telemetry.NewTracing(ctx, a.cfg.Telemetry.Tracing, "text2image-api", a.log); err != nil {
		return err
	}
	a.running.Push(a.tracing.StopStep())
	// Metrics are served first, so that a process that waits for NATS is visible.
	metrics := telemetry.NewServer(a.cfg.Telemetry, a.metrics, a.log)
	if err := metrics.Start(ctx); err != nil {
		return err
	}
	a.running.Push(metrics.StopStep())

	// The page takes as long as opening a small store, so both are done at the same time.
	page := sync.OnceValues(a.page)
	go func() { _, _ = page() }() // A failure is reported below.

	// NATS, the signing key, the queue and the results.
	a.cfg.Broker.Observer, a.cfg.Broker.SyncObserver = a.metrics, a.metrics
	b, closePort, err := a.openBroker(ctx, startup)
	if err != nil {
		return err
	}
	a.broker = b
	a.metrics.SetBroker(b)
	metrics.SetReady(b.Check)
	// Closing the embedded NATS flushes its store to disk.
	a.running.Push(lifecycle.Step{Name: "broker", Stop: b.Close, Weight: 3})
	secret, err := a.cfg.secret()
	if err != nil {
		return err
	}
	if a.queue, err = queue.New(ctx, b); err != nil {
		return err
	}
	if a.store, err = store.New(ctx, b); err != nil {
		return err
	}

	// Jobs: their service, models, live events, operator controls, the sweeper and the embedded worker.
	runtime := telemetry.NewRuntime(a.cfg.Level, metrics, a.log)
	a.running.Push(runtime.StopStep())
	service := jobs.New(b, a.queue, a.store, jobs.WithMetrics(a.metrics), jobs.WithLog(a.log))
	controls, err := control.Open(ctx, b)
	if err != nil {
		return err
	}
	a.control = control.NewController(controls, a.log, nil)
	a.control.OnSwitch(func(set map[control.SwitchName]control.Switch) {
		runtime.Apply(context.WithoutCancel(ctx), set[control.SwitchLogLevel].Value, set[control.SwitchMetrics].Value)
	})
	if err := a.control.Start(ctx); err != nil {
		return err
	}
	a.onStop("control", func(context.Context) error { a.control.Stop(); return nil })
	if err := a.registerMetrics(); err != nil {
		return err
	}
	live := feed.New(b, service, a.queue, a.control, a.cfg.hooks.Feed, a.log)
	a.onStop("feed", func(context.Context) error { live.Stop(); return nil })
	sweeper := jobs.NewSweeper(service, controls, a.metrics, a.log)
	sweeper.Start()
	a.onStop("sweeper", sweeper.Stop)
	models, err := catalogue.NewLive(ctx, b, a.log)
	if err != nil {
		return err
	}
	if a.cfg.Broker.Embedded() {
		a.worker = worker.New(a.cfg.Worker, b, a.metrics, a.log, worker.WithTracing(a.tracing), worker.WithAPI(worker.API{
			Store: a.store, Models: models, Watched: live.Watched, Busy: service.Busy,
		}))
		if err := a.worker.Start(ctx); err != nil {
			return err
		}
		a.running.Push(a.worker.StopStep())
	}

	// Accounts and their data.
	accounts, mailer, err := a.openAccounts(ctx, secret)
	if err != nil {
		return err
	}
	apiKeys, err := apikey.New(ctx, b, accounts, a.log)
	if err != nil {
		return err
	}
	feedbacks, err := feedback.New(ctx, b)
	if err != nil {
		return err
	}
	images, err := gallery.New(ctx, b)
	if err != nil {
		return err
	}
	hooks, err := webhook.New(ctx, b, a.cfg.Webhook, secret)
	if err != nil {
		return err
	}
	deliverer := webhook.NewDeliverer(hooks, webhook.Deps{
		View: func(s *job.Snapshot) any { return jobview.Of(s) }, Deleted: accounts.DeletionPending, Metrics: a.metrics, Log: a.log,
		Schedule: a.cfg.hooks.WebhookSchedule,
	})
	deliverer.Start()
	a.onStop("webhooks", deliverer.Stop)
	batches, err := batch.New(ctx, b, service, a.log)
	if err != nil {
		return err
	}
	batches.Start()
	a.onStop("batches", batches.Stop)
	quotas := a.quota()
	costs := spend.New(b)
	a.onStop("costs", spend.StartSweeper(costs, a.log).Stop)
	eraser := erasure.New(accounts, service, []erasure.Part{
		{Name: "API keys", Erase: func(ctx context.Context, owner string) error {
			return apiKeys.Erase(ctx, owner, func(ctx context.Context, ids []string) error {
				return errors.Join(quotas.Forget(ctx, jobs.KeyCounters(secret, ids)...), costs.EraseBudgets(ctx, ids...))
			})
		}},
		{Name: "feedback", Erase: feedbacks.Erase},
		{Name: "saved images", Erase: images.Erase},
		// Jobs that a batch still puts into the queue are erased after it.
		{Name: "batches", Erase: batches.Erase},
		{Name: "jobs", Erase: service.Erase},
		// The end of a job that is erased may have been published.
		{Name: "webhooks", Erase: hooks.Erase},
		// As may what it has cost.
		{Name: "costs", Erase: costs.Erase},
		{Name: "counters", Erase: func(ctx context.Context, owner string) error {
			return quotas.Forget(ctx, jobs.MemberCounters(secret, owner)...)
		}},
	}, a.cfg.hooks.Erasure, a.log)
	eraser.Start()
	a.onStop("eraser", eraser.Stop)

	// The HTTP API. The port opens now unless openBroker has opened it.
	files, err := page()
	if err != nil {
		return err
	}
	a.server, err = server.New(a.cfg.Server, server.Deps{
		Accounts: accounts, Recovery: mailer, Keys: apiKeys, Feedback: feedbacks, Gallery: images, Webhooks: hooks, Batches: batches, Google: a.google(),
		Jobs: service, Store: a.store, Queue: a.queue, Control: a.control, Feed: live, Broker: b, Quota: quotas, Eraser: eraser, VerifyEmail: a.cfg.verifies(),
		Catalogue: catalogue.Builtin(), Models: models.Current,
		Metrics: a.metrics, Tracing: a.tracing, Log: a.log, Secret: secret, Page: files,
		Mail: server.Mail{Off: a.cfg.Mail.URL == "", Required: a.cfg.Mail.Required()},
		SwitchDefaults: map[control.SwitchName]string{
			control.SwitchLogLevel: strings.ToLower(a.cfg.Telemetry.LogLevel), control.SwitchMetrics: onOff(a.cfg.Telemetry.MetricsEnabled),
		},
		Simulated: a.simulated(), MissingEnv: a.missing(),
	})
	if err != nil {
		return err
	}
	startup.Open(a.server)
	if closePort == nil {
		if closePort, err = a.listen(ctx, startup); err != nil {
			return err
		}
	}
	a.recordDeployment(ctx)
	a.logStart(ctx)
	// The listener stops first, because requests need everything else.
	a.running.Push(lifecycle.Step{Name: "listener", Stop: closePort, Weight: 8})
	return nil
}

// page returns the page and the contract as they are served.
func (a *App) page() (*server.Page, error) {
	files, err := web.Files()
	if err != nil {
		return nil, fmt.Errorf("build page: %w", err)
	}
	return server.NewPage(files, a.cfg.OpenAPI)
}

// simulated reports whether the worker in this process uses the simulator.
func (a *App) simulated() bool { return a.worker != nil && a.cfg.Worker.Upstreams.Simulated() }

// quota returns the quotas of guests and members. Whether workers in other processes use the simulator is unknown, so
// SIMULATOR=on decides in that case.
func (a *App) quota() *quota.Quota {
	simulated := a.simulated() || a.cfg.Worker.Upstreams.Simulator == "on"
	return quota.New(a.broker, a.cfg.Server.Quota.Plans(simulated), nil)
}

// onOff returns control.SwitchOn or control.SwitchOff.
func onOff(on bool) string {
	if on {
		return control.SwitchOn
	}
	return control.SwitchOff
}

// missing returns the unset variables that the worker in this process requires.
func (a *App) missing() []string {
	if a.worker == nil {
		return nil
	}
	return a.cfg.Worker.Upstreams.Missing()
}

// listen opens the port and serves h on it. closePort closes the port gracefully.
func (a *App) listen(ctx context.Context, h *server.StartupHandler) (closePort func(context.Context) error, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on LISTEN_ADDR: %w", err)
	}
	a.listener = listener
	listener = newGracefulListener(listener)
	base, endStreams := context.WithCancelCause(context.WithoutCancel(ctx))
	srv := h.HTTP(base)
	go func() { a.served <- srv.Serve(listener) }()
	// In case the start fails before closePort is registered.
	a.onStop("port", func(context.Context) error {
		endStreams(server.ErrStopping)
		return srv.Close()
	})
	return func(ctx context.Context) error {
		// The port closes first, so that clients whose stream or wait ends do not reconnect to this process.
		_ = listener.Close()
		endStreams(server.ErrStopping)
		a.settle(ctx)
		err := srv.Shutdown(ctx)
		if ctx.Err() != nil {
			// A client that does not complete its request or does not read its response is not an error of the server.
			a.log.WarnContext(ctx, "connections closed with requests in flight")
			return srv.Close()
		}
		if a.server != nil {
			err = errors.Join(err, a.server.AwaitStreams(ctx))
		}
		return err
	}, nil
}

// Run starts the process, prints its URLs to out, and stops it when ctx ends or the listener fails.
func (a *App) Run(ctx context.Context, out io.Writer) error {
	if a.cfg.Console == nil {
		a.cfg.Console = out
	}
	if err := a.Start(ctx); err != nil {
		if ctx.Err() != nil && errors.Is(err, context.Canceled) {
			// The operator stopped waiting for NATS; that is not an error.
			_, _ = fmt.Fprintln(out, "stopped before startup was complete")
			return nil
		}
		return err
	}
	a.banner(out)
	var err error
	select {
	case <-ctx.Done():
		a.log.InfoContext(ctx, "api stopping", slog.String("drain_delay", a.cfg.DrainDelay.String()),
			slog.String("stop_timeout", a.cfg.StopTimeout.String()))
		a.drain(context.WithoutCancel(ctx), out)
		_, _ = fmt.Fprintln(out, a.stopMessage())
	case err = <-a.served:
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
	}
	began := time.Now()
	err = errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
	a.log.InfoContext(ctx, "api stopped", slog.Int64("duration_ms", time.Since(began).Milliseconds()), slog.Bool("clean", err == nil))
	return err
}

// Addr returns the address that the process listens on. It is valid after Start.
func (a *App) Addr() string { return a.listener.Addr().String() }

// URL returns the root URL of the process. It is valid after Start.
func (a *App) URL() string { return "http://" + a.Addr() }

// Broker returns the broker, for tests.
func (a *App) Broker() *broker.Broker { return a.broker }

// Simulator returns the simulator that this process uses in place of the upstreams, or nil.
func (a *App) Simulator() *simulator.Simulator {
	if a.worker == nil {
		return nil
	}
	return a.worker.Simulator()
}

// Routes returns all routes of the API.
func (a *App) Routes() []server.Route { return a.server.Routes() }
