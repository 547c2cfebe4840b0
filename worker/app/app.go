// Package app runs one worker as a value: New, Start, Stop. The worker program uses it, and so does an API process with
// an embedded worker.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/generate"
	"github.com/text2image-audio/text2image-audio/worker/processor"
	"github.com/text2image-audio/text2image-audio/worker/provider"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
	"github.com/text2image-audio/text2image-audio/worker/upstream/deepseek"
	"github.com/text2image-audio/text2image-audio/worker/upstream/pollinations"
)

// Worker is one worker.
type Worker struct {
	cfg    Config
	broker *broker.Broker
	// api is what WithAPI has set, or empty.
	api        API
	metrics    *telemetry.Metrics
	tracing    *telemetry.Tracing
	log        *slog.Logger
	transport  *http.Transport
	simulator  *simulator.Simulator
	processor  *processor.Processor
	catalogue  *catalogue.Live
	control    *control.Controller
	background sync.WaitGroup
	// stop ends background.
	stop context.CancelFunc
	// skipped is the number of catalogue entries that the last refresh skipped.
	skipped int
}

// New returns a worker that is idle until Start.
func New(cfg Config, b *broker.Broker, m *telemetry.Metrics, log *slog.Logger, options ...Option) *Worker {
	w := &Worker{cfg: cfg, broker: b, metrics: m, log: log}
	for _, option := range options {
		option(w)
	}
	return w
}

// Option changes a new worker.
type Option func(*Worker)

// API is what a worker shares with the API in its process.
type API struct {
	// Store spares requests where NATS runs in the process as well.
	Store *store.Store
	// Models are the models that the API offers. The API knows those that the worker reads from the upstreams at once if both share them.
	Models *catalogue.Live
	// Watched reports whether somebody follows a job of an owner, and Busy whether the API accepts jobs in a burst.
	Watched func(owner, id string) bool
	Busy    func() bool
}

// WithAPI makes the worker use what the API in its process has. Without it, the worker opens its own.
func WithAPI(api API) Option { return func(w *Worker) { w.api = api } }

// WithTracing makes the worker create spans for attempts and their requests.
func WithTracing(t *telemetry.Tracing) Option { return func(w *Worker) { w.tracing = t } }

// Start starts the simulator if it is used, creates the clients and begins to fetch jobs. ctx bounds the start only. If
// it fails, nothing is left running.
func (w *Worker) Start(ctx context.Context) error {
	if err := w.start(ctx); err != nil {
		return errors.Join(err, w.Stop(context.WithoutCancel(ctx)))
	}
	return nil
}

func (w *Worker) start(ctx context.Context) error {
	upstreams := w.cfg.Upstreams
	if upstreams.Simulated() {
		w.simulator = simulator.New(simulator.Config{Logger: w.log, Latency: w.cfg.Latency})
		if err := w.simulator.Start(context.WithoutCancel(ctx), ""); err != nil {
			return fmt.Errorf("start simulator: %w", err)
		}
		upstreams = simulated(w.simulator)
	}
	for _, name := range upstreams.Missing() {
		w.log.ErrorContext(ctx, "missing setting: jobs that need it will wait", "variable", name)
	}
	for _, name := range upstreams.Unused() {
		w.log.WarnContext(ctx, "setting is not used: UPSTREAMS has providers for it", "variable", name)
	}
	q, err := queue.New(ctx, w.broker)
	if err != nil {
		return err
	}
	controls, err := control.Open(ctx, w.broker)
	if err != nil {
		return err
	}
	w.initMetrics()
	if w.catalogue = w.api.Models; w.catalogue == nil {
		if w.catalogue, err = catalogue.NewLive(ctx, w.broker, w.log); err != nil {
			return err
		}
	}
	s := w.api.Store
	if s == nil {
		if s, err = store.New(ctx, w.broker); err != nil {
			return err
		}
	}
	generator, err := w.generator(upstreams, controls)
	if err != nil {
		return err
	}
	generator.Reference = s.ReadReference
	w.control = control.NewController(controls, w.log, w.observeControl)
	w.control.OnSwitch(w.cfg.OnSwitch)
	w.control.Providers(upstreams.File.Circuits())
	if err := w.control.Start(ctx); err != nil {
		return err
	}
	version, _, _ := telemetry.Version()
	w.processor, err = processor.New(w.cfg.Processor, processor.Deps{
		Queue: q, Store: s, Jobs: jobs.New(w.broker, q, s, jobs.WithMetrics(w.metrics), jobs.WithLog(w.log)),
		Control: w.control, Generator: generator, Metrics: w.metrics, Tracing: w.tracing, Log: w.log,
		Providers: upstreams.File.Circuits(), BesideAPI: w.api.Store != nil && w.broker.Alone(), Watched: w.api.Watched, Busy: w.api.Busy,
		AckWait: w.broker.AckWait(), Mode: w.cfg.Upstreams.Mode(), Version: version,
	})
	if err != nil {
		return err
	}
	if err := w.processor.Start(ctx); err != nil {
		return err
	}
	ctx, w.stop = context.WithCancel(context.WithoutCancel(ctx))
	w.background.Go(func() { w.keepCatalogue(ctx, generator) })
	return nil
}

// simulated returns the settings with which the real clients call the simulator.
func simulated(s *simulator.Simulator) Upstreams {
	return Upstreams{
		ImageBase: s.PollinationsURL(), TextBase: s.PollinationsURL(), Token: "sk_simulator",
		DeepSeekURL: s.DeepSeekURL(), DeepSeekKey: "sk-simulator", Simulator: "off",
	}
}

func (w *Worker) generator(u Upstreams, leases *control.Store) (*generate.Generator, error) {
	version, _, _ := telemetry.Version()
	p := w.cfg.Processor
	options := upstream.Options{Slots: p.SlotsImage + p.SlotsAudio + p.SlotsText}
	if w.simulator != nil {
		// The simulator is in this process, so a slow connection only means that the machine is busy.
		options.ConnectTimeout = time.Minute
	}
	w.transport = upstream.NewTransport(options)
	client := &http.Client{Transport: w.transport}
	observe := func(upstream string, status int, _ string, took time.Duration) {
		w.metrics.ObserveUpstream(upstream, status, took)
	}
	if len(u.File.Images) > 0 {
		u.ImageBase = ""
	}
	if len(u.File.Speech) > 0 {
		u.TextBase = ""
	}
	media, err := pollinations.New(pollinations.Config{
		BaseURL: u.ImageBase, SpeechBaseURL: u.TextBase, Token: u.Token.Reveal(),
		ImageStyle: u.ImageStyle, SpeechStyle: u.TextStyle, Gate: w.gate(leases),
		HTTP: client, Logger: w.log, Version: version, Observe: observe,
	})
	if err != nil {
		return nil, fmt.Errorf("configure Pollinations: %w", err)
	}
	language, err := deepseek.New(deepseek.Config{
		URL: u.DeepSeekURL, Key: u.DeepSeekKey.Reveal(), Model: u.DeepSeekModel,
		HTTP: client, Logger: w.log, Version: version, Observe: observe,
	})
	if err != nil {
		return nil, fmt.Errorf("configure DeepSeek: %w", err)
	}
	providers, err := u.File.Open(provider.Options{
		HTTP: client, Logger: w.log, Version: version, Gate: w.gate(leases), Observe: observe,
	})
	if err != nil {
		return nil, fmt.Errorf("configure UPSTREAMS: %w", err)
	}
	return &generate.Generator{
		Media: media, Language: language, Providers: *providers, Catalogue: w.catalogue.Current, Log: w.log,
	}, nil
}

// Simulator returns the simulator that replaces the upstreams, or nil.
func (w *Worker) Simulator() *simulator.Simulator { return w.simulator }

// Farewell returns a message for the terminal about the jobs that a stop waits for.
func (w *Worker) Farewell() string {
	running := 0
	if w.processor != nil {
		running = w.processor.Running()
	}
	if running == 0 {
		return "stopping"
	}
	return fmt.Sprintf("stopping: waiting up to %s for %d running jobs, which then return to the queue; press Ctrl-C again to quit at once",
		w.cfg.Processor.SoftStop, running)
}

// Stop waits WORKER_SOFT_STOP for running attempts, returns the other jobs to the queue and stops the simulator. It is
// safe on a worker that was started in part.
func (w *Worker) Stop(ctx context.Context) error {
	var errs []error
	if w.stop != nil {
		w.stop()
		w.background.Wait()
	}
	if w.processor != nil {
		errs = append(errs, w.processor.Stop(ctx))
	}
	if w.control != nil {
		w.control.Stop()
	}
	if w.transport != nil {
		// The simulator's Stop would wait for connections that were never used.
		w.transport.CloseIdleConnections()
	}
	if w.simulator != nil {
		if err := w.simulator.Stop(ctx); err != nil {
			errs = append(errs, fmt.Errorf("stop simulator: %w", err))
		}
	}
	return errors.Join(errs...)
}

// StopStep returns Stop as a step of the process's shutdown. It reserves SoftStop for running attempts; CheckStop ensures
// that there is time left to return the other jobs to the queue.
func (w *Worker) StopStep() lifecycle.Step {
	return lifecycle.Step{Name: "worker", Stop: w.Stop, Need: w.cfg.Processor.SoftStop, Weight: 4}
}

// initMetrics creates the series that alerts refer to.
func (w *Worker) initMetrics() {
	var kinds []string
	for _, kind := range job.Kinds() {
		kinds = append(kinds, string(kind))
	}
	w.metrics.InitWorker(kinds, w.circuits(), []string{job.CodeUnavailable, job.CodeThrottled, job.CodeMisconfigured})
}

// circuits returns the names of all circuit breakers: of the upstreams, and of their providers.
func (w *Worker) circuits() []string {
	return append(job.Upstreams(), w.cfg.Upstreams.File.Circuits()...)
}

// observeControl exports the state of the circuit breakers.
func (w *Worker) observeControl(view control.View) {
	for _, name := range w.circuits() {
		w.metrics.ObserveCircuit(name, string(view.Circuit(name).State))
	}
}
