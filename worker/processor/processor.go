package processor

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// Deps are the dependencies of a Processor.
type Deps struct {
	Queue *queue.Queue
	Store *store.Store
	// Jobs settles jobs, and counts and logs their ends.
	Jobs *jobs.Service
	// Control is the state of the circuit breakers; it must have been started.
	Control   *control.Controller
	Generator Generator
	Metrics   *telemetry.Metrics
	Log       *slog.Logger
	// Tracing creates the spans of attempts; nil creates none.
	Tracing *telemetry.Tracing
	// BesideAPI reports that the API, whose Store this is, and NATS run in this process. What the process knows of a job or would lose
	// together with NATS costs no request then.
	BesideAPI bool
	// Watched reports whether somebody follows a job of an owner; nil if nobody ever does in this process. It is not used without
	// BesideAPI, and must not block.
	Watched func(owner, id string) bool
	// Busy reports whether the API in this process accepts jobs in a burst, to which the workers yield for a moment; nil if there is none.
	// It must not block.
	Busy func() bool
	// AckWait is the time without a heartbeat after which the broker redelivers a job. A heartbeat is sent every third of it.
	AckWait time.Duration
	// Providers are the circuit breakers of the providers among which the generator chooses.
	Providers []string
	// Mode and Version are published with the registration of the worker.
	Mode, Version string
}

// Processor runs jobs, with a bounded number of slots for each kind.
type Processor struct {
	cfg       Config
	id        string
	providers []string
	mode      string
	version   string
	queue     *queue.Queue
	store     *store.Store
	jobs      *jobs.Service
	generator Generator
	metrics   *telemetry.Metrics
	tracing   *telemetry.Tracing
	log       *slog.Logger
	now       func() time.Time
	heartbeat time.Duration
	// besideAPI, watched and busy are those of Deps.
	besideAPI   bool
	watched     func(owner, id string) bool
	busy        func() bool
	queueOutage outage
	storeOutage storageState
	cacheOutage cacheOutage

	// Stop calls stopPulling first, and stopWork after SoftStop.
	stopPulling context.CancelFunc
	stopWork    context.CancelCauseFunc
	stopNotices func()
	slots       sync.WaitGroup
	background  sync.WaitGroup

	mu      sync.Mutex
	started time.Time
	running map[*attempt]struct{}
	runs    map[job.Kind]runTime
	// announceRequested asks for a registration ahead of time.
	announceRequested chan struct{}
	breaker           *breaker
	control           *control.Controller
}

// New returns a processor that is idle until Start. It fails if cfg is invalid.
func New(cfg Config, deps Deps) (*Processor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	id := rand.Text()
	p := &Processor{
		cfg: cfg, id: id, providers: deps.Providers, mode: deps.Mode, version: deps.Version,
		queue: deps.Queue, store: deps.Store, jobs: deps.Jobs, generator: deps.Generator, metrics: deps.Metrics, tracing: deps.Tracing, log: deps.Log,
		now: time.Now, besideAPI: deps.BesideAPI, watched: deps.Watched, busy: deps.Busy,
		heartbeat:   cmp.Or(cfg.hooks.Heartbeat, deps.AckWait/3, broker.DefaultAckWait/3),
		queueOutage: outage{log: deps.Log}, storeOutage: storageState{log: deps.Log, probe: deps.Store.Probe},
		running: make(map[*attempt]struct{}), runs: make(map[job.Kind]runTime), announceRequested: make(chan struct{}, 1),
		control: deps.Control, breaker: &breaker{
			cfg: cfg, worker: id, control: deps.Control, metrics: deps.Metrics, log: deps.Log, now: time.Now,
			probing: make(map[string]bool), backoffUntil: make(map[string]time.Time), unreachable: make(map[string]int),
			failed: make(map[string]int),
		},
	}
	p.breaker.announceNow = p.announceNow
	return p, nil
}

// ID returns the name under which the worker registers.
func (p *Processor) ID() string { return p.id }

// Running returns the number of running jobs.
func (p *Processor) Running() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.running)
}

// Start begins to fetch jobs. It fails if NATS cannot be reached; ctx bounds the start only.
func (p *Processor) Start(ctx context.Context) (err error) {
	var pools []*pool
	defer func() {
		if err != nil {
			for _, pl := range pools {
				pl.puller.Close()
			}
		}
	}()
	for _, wanted := range []struct {
		name  string
		slots int
		kinds []job.Kind
	}{
		{"image", p.cfg.SlotsImage, []job.Kind{job.KindImage}},
		{"audio", p.cfg.SlotsAudio, []job.Kind{job.KindAudio}},
		{"text", p.cfg.SlotsText, []job.Kind{job.KindPrompt, job.KindTranslation}},
	} {
		pl, err := newPool(ctx, p.queue, wanted.name, wanted.slots, wanted.kinds...)
		if err != nil {
			return fmt.Errorf("start worker: %w", err)
		}
		pools = append(pools, pl)
	}
	if err := p.breaker.reconsider(ctx, p.providers); err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	stopNotices, err := p.queue.OnCancel(p.canceled)
	if err != nil {
		return fmt.Errorf("start worker: %w", err)
	}
	p.stopNotices, p.started = stopNotices, p.now()
	pulling, stopPulling := context.WithCancel(context.WithoutCancel(ctx))
	working, stopWork := context.WithCancelCause(context.WithoutCancel(ctx))
	p.stopPulling, p.stopWork = stopPulling, stopWork
	for _, pl := range pools {
		p.addBusy(pl, 0)
		p.slots.Go(func() { p.runPool(pulling, working, pl) })
	}
	p.background.Go(func() { p.announce(pulling) })
	return nil
}

// Stop ends the pulling, waits SoftStop for running attempts and returns the other jobs to the queue. It is safe before
// Start. If ctx ends first, running attempts are abandoned and their jobs redelivered.
func (p *Processor) Stop(ctx context.Context) error {
	if p.stopPulling == nil {
		return nil
	}
	p.stopPulling()
	defer p.stopNotices()
	quiet := make(chan struct{})
	go func() {
		p.slots.Wait()
		p.background.Wait()
		close(quiet)
	}()
	soft := time.NewTimer(p.cfg.SoftStop)
	defer soft.Stop()
	select {
	case <-quiet:
		p.stopWork(errShutdown)
		return nil
	case <-soft.C:
	case <-ctx.Done():
	}
	p.stopWork(errShutdown)
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop worker: %w", errors.Join(errShutdown, context.Cause(ctx)))
	}
}

// track lets canceled find a running attempt until the returned function is called.
func (p *Processor) track(a *attempt) (untrack func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[a] = struct{}{}
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.running, a)
	}
}

// canceled cancels the attempt of a canceled job if it runs here.
func (p *Processor) canceled(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for a := range p.running {
		if a.delivery.ID == id {
			a.cancel(errEnded)
		}
	}
}

// outage logs the start and the end of a NATS outage once each, however many slots notice.
type outage struct {
	log *slog.Logger
	mu  sync.Mutex
	// since is when the outage was noticed; zero while there is none.
	since time.Time
}

func (t *outage) report(ctx context.Context, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.since.IsZero() && ctx.Err() == nil {
		t.since = time.Now()
		t.log.WarnContext(ctx, "cannot fetch jobs from the queue", "error", err)
	}
}

// end ends the outage if NATS replied to a request that was sent after it began.
func (t *outage) end(ctx context.Context, sent time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.since.IsZero() && sent.After(t.since) {
		t.since = time.Time{}
		t.log.InfoContext(ctx, "fetching jobs from the queue works again")
	}
}
