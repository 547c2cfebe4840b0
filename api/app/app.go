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
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/server"
	"github.com/text2image-audio/text2image-audio/api/web"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/erasure"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/gallery"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
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

// New returns a process that does nothing until Start. It fails when a setting cannot be used.
func New(cfg Config, log *slog.Logger) (*App, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.Server.Loopback = cfg.local()
	metrics := telemetry.NewMetrics()
	metrics.Sample(cfg.Telemetry.SampleRate)
	return &App{cfg: cfg, log: log, metrics: metrics, served: make(chan error, 1)}, nil
}

// Start starts everything and listens once it can serve. While it waits for an external NATS it listens after some seconds
// and reports that it is not ready. ctx bounds the start only. When it fails nothing is left running.
func (a *App) Start(ctx context.Context) error {
	if err := a.start(ctx); err != nil {
		return errors.Join(err, a.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

// start is one long function on purpose: it shows the order in which the parts start. They stop in reverse order.
func (a *App) start(ctx context.Context) error {
	door, err := server.NewStartupHandler(a.cfg.Server, a.metrics, a.log)
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

	// NATS and what is stored in it.
	a.cfg.Broker.Observer = a.metrics
	b, shut, err := a.openBroker(ctx, door)
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

	// Jobs: their service, live events, operator controls, the sweeper and the embedded worker.
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
	live := feed.New(b, service, a.queue, a.control, a.cfg.Feed, a.log)
	a.onStop("feed", func(context.Context) error { live.Stop(); return nil })
	sweeper := jobs.NewSweeper(service, controls, a.cfg.Sweeper, a.metrics, a.log)
	sweeper.Start()
	a.onStop("sweeper", sweeper.Stop)
	if a.cfg.Broker.Embedded() {
		a.worker = worker.New(a.cfg.Worker, b, a.metrics, a.log, worker.WithTracing(a.tracing))
		if err := a.worker.Start(ctx); err != nil {
			return err
		}
		a.running.Push(a.worker.StopStep())
	}

	// Accounts and what belongs to them.
	accounts, recovery, err := a.people(ctx, secret)
	if err != nil {
		return err
	}
	box, err := feedback.New(ctx, b)
	if err != nil {
		return err
	}
	pictures, err := gallery.New(ctx, b)
	if err != nil {
		return err
	}
	quotas := a.quota()
	eraser := erasure.New(accounts, service, []erasure.Part{
		{Name: "feedback", Erase: box.Erase},
		{Name: "saved images", Erase: pictures.Erase},
		{Name: "jobs", Erase: service.Erase},
		{Name: "counters", Erase: func(ctx context.Context, owner string) error {
			return quotas.Forget(ctx, jobs.MemberCounters(secret, owner)...)
		}},
	}, a.cfg.Erasure, a.log)
	eraser.Start()
	a.onStop("eraser", eraser.Stop)

	// The HTTP API. The port opens now, unless a long wait for NATS has opened it already.
	models, err := catalogue.NewLive(ctx, b, a.log)
	if err != nil {
		return err
	}
	a.server, err = server.New(a.cfg.Server, server.Deps{
		Accounts: accounts, Recovery: recovery, Feedback: box, Gallery: pictures, Google: a.google(),
		Jobs: service, Store: a.store, Queue: a.queue, Control: a.control, Feed: live, Broker: b, Quota: quotas, Eraser: eraser, VerifyEmail: a.cfg.verifies(),
		Catalogue: catalogue.Builtin(), Models: models.Current,
		Metrics: a.metrics, Tracing: a.tracing, Log: a.log, Secret: secret, OpenAPI: a.cfg.OpenAPI, Web: web.FS(),
		Mail: server.Mail{Off: a.cfg.Mail.URL == "", Required: a.cfg.Mail.Required()},
		SwitchDefaults: map[control.SwitchName]string{
			control.SwitchLogLevel: strings.ToLower(a.cfg.Telemetry.LogLevel), control.SwitchMetrics: onOff(a.cfg.Telemetry.MetricsEnabled),
		},
		Simulated: a.simulated(), MissingEnv: a.missing(), KeepAlive: a.cfg.KeepAlive,
	})
	if err != nil {
		return err
	}
	door.Open(a.server)
	if shut == nil {
		if shut, err = a.listen(ctx, door); err != nil {
			return err
		}
	}
	a.recordDeployment(ctx)
	a.logStart(ctx)
	// The listener stops first, because requests need everything else.
	a.running.Push(lifecycle.Step{Name: "listener", Stop: shut, Weight: 8})
	return nil
}

// simulated reports whether the worker of this process talks to the simulator.
func (a *App) simulated() bool { return a.worker != nil && a.cfg.Worker.Upstreams.Simulated() }

// quota returns the quotas of guests and members. Whether workers in other processes simulate is unknown, so SIMULATOR=on
// decides there.
func (a *App) quota() *quota.Quota {
	simulated := a.simulated() || a.cfg.Worker.Upstreams.Simulator == "on"
	return quota.New(a.broker, a.cfg.Server.Quota.Plans(simulated), nil)
}

// onOff returns the value of a switch that is on or off.
func onOff(on bool) string {
	if on {
		return control.SwitchOn
	}
	return control.SwitchOff
}

// missing returns the variables that the worker of this process needs and that are not set.
func (a *App) missing() []string {
	if a.worker == nil {
		return nil
	}
	return a.cfg.Worker.Upstreams.Missing()
}

// listen opens the port and serves door on it, so that the port is known when it returns. shut closes it gracefully.
func (a *App) listen(ctx context.Context, door *server.StartupHandler) (shut func(context.Context) error, err error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on LISTEN_ADDR: %w", err)
	}
	a.listener = listener
	listener = newGracefulListener(listener)
	base, endStreams := context.WithCancelCause(context.WithoutCancel(ctx))
	srv := door.HTTP(base)
	go func() { a.served <- srv.Serve(listener) }()
	// For a start that fails before shut is registered.
	a.onStop("port", func(context.Context) error {
		endStreams(server.ErrStopping)
		return srv.Close()
	})
	return func(ctx context.Context) error {
		// First, so that clients whose stream or wait ends do not reconnect to this process.
		_ = listener.Close()
		endStreams(server.ErrStopping)
		a.settle(ctx)
		err := srv.Shutdown(ctx)
		if ctx.Err() != nil {
			// A client that does not send its request or read its response is not an error of this process.
			a.log.WarnContext(ctx, "connections closed with requests in flight")
			return srv.Close()
		}
		return err
	}, nil
}

// Run starts the process, prints its addresses on out, and stops it when ctx ends or the listener fails.
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
		_, _ = fmt.Fprintln(out, a.farewell())
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

// Addr returns the address on which the process listens; it is known after Start.
func (a *App) Addr() string { return a.listener.Addr().String() }

// URL returns the root address of the process; it is known after Start.
func (a *App) URL() string { return "http://" + a.Addr() }

// Broker returns the broker, for tests.
func (a *App) Broker() *broker.Broker { return a.broker }

// Simulator returns the simulator that replaces the upstreams, or nil.
func (a *App) Simulator() *simulator.Simulator {
	if a.worker == nil {
		return nil
	}
	return a.worker.Simulator()
}

// Routes returns every route that is served.
func (a *App) Routes() []server.Route { return a.server.Routes() }
