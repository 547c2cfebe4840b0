//go:build unix

package lab

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/chaos/claims"
	"github.com/text2image-audio/text2image-audio/pkg/chaos/proxy"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const (
	apiCount    = 2
	workerCount = 2
	// startTimeout bounds the start of the whole plant, and of one child.
	startTimeout = time.Minute
	// stopPatience is how long a child may take to end when it is asked to.
	stopPatience = 20 * time.Second
)

// plant is everything that runs: nats-servers, APIs, workers, the lines between them, and the simulator, which alone
// survives everything.
type plant struct {
	cfg      Config
	dir      string
	programs programs
	book     *claims.Book
	starter  *starter

	simulator    *simulator.Simulator
	nodes        []*node
	apis         []*process
	workers      []*process
	proxies      []*proxy.Proxy
	broker       *broker.Broker
	store        *store.Store
	stopRestarts func()
	restarts     sync.WaitGroup
	ctx          context.Context //nolint:containedctx // Children that end by themselves are started again under it.
}

// newPlant starts everything and returns when it serves.
func newPlant(ctx context.Context, cfg Config, dir string, built programs, book *claims.Book) (*plant, error) {
	p := &plant{cfg: cfg, dir: dir, programs: built, book: book, starter: newStarter()}
	p.ctx, p.stopRestarts = context.WithCancel(ctx)
	startCtx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := p.start(startCtx); err != nil {
		p.stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return p, nil
}

func (p *plant) start(ctx context.Context) error {
	p.simulator = simulator.New(simulator.Config{Seed: p.cfg.Seed, Latency: simulator.Latency{
		Image:  simulator.Delay{Min: 50 * time.Millisecond, Max: 1500 * time.Millisecond},
		Speech: simulator.Delay{Min: 50 * time.Millisecond, Max: 1500 * time.Millisecond},
		Chat:   simulator.Delay{Min: 50 * time.Millisecond, Max: 800 * time.Millisecond},
		Token:  simulator.Delay{Min: time.Millisecond, Max: 10 * time.Millisecond},
	}})
	if err := p.simulator.Start(context.WithoutCancel(ctx), ""); err != nil {
		return fmt.Errorf("start simulator: %w", err)
	}
	if err := p.newNodes(ctx); err != nil {
		return err
	}
	if err := p.newPrograms(ctx); err != nil {
		return err
	}
	for _, c := range p.all() {
		if err := c.launch(); err != nil {
			return err
		}
	}
	for _, c := range p.all() {
		if err := c.awaitReady(ctx); err != nil {
			return err
		}
	}
	var direct []string
	for _, n := range p.nodes {
		direct = append(direct, n.addr)
	}
	var err error
	p.broker, err = broker.Open(ctx, broker.Config{
		URL: env.Secret(natsURL(direct)), Follower: true, Replicas: p.cfg.Nodes,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	p.store, err = store.New(ctx, p.broker)
	return err
}

// newPrograms prepares the APIs and workers, each with lines of its own to each node.
func (p *plant) newPrograms(ctx context.Context) error {
	common := []string{
		fmt.Sprintf("NATS_REPLICAS=%d", p.cfg.Nodes), "LOG_LEVEL=info",
		"JWT_SECRET=of-no-worth-outside-the-laboratory", "FETCH_RETRY_INITIAL_DELAY_MS=100", "FETCH_RETRY_MAX_DELAY_MS=2000",
		"STOP_TIMEOUT=10s", "WORKER_SOFT_STOP=2s",
	}
	for i := range apiCount {
		addr, err := freePort(ctx)
		if err != nil {
			return err
		}
		front, err := p.line(ctx, addr)
		if err != nil {
			return err
		}
		api, err := p.program(ctx, fmt.Sprintf("api-%d", i+1), p.programs.api, append(slices.Clone(common),
			"LISTEN_ADDR="+addr,
			// The laboratory asks for more than one guest could.
			"QUOTA_GUEST_PER_MINUTE=0", "QUOTA_GUEST_PER_DAY=0", "MAX_ACTIVE_JOBS_GUEST=0",
		), func(ctx context.Context) bool { return answers(ctx, "http://"+addr+"/readyz") })
		if err != nil {
			return err
		}
		api.fronts = append(api.fronts, front)
		p.apis = append(p.apis, api)
	}
	for i := range workerCount {
		worker, err := p.program(ctx, fmt.Sprintf("worker-%d", i+1), p.programs.worker, append(slices.Clone(common),
			"POLLINATIONS_IMAGE_API_BASE="+p.simulator.PollinationsURL(), "POLLINATIONS_TEXT_API_BASE="+p.simulator.PollinationsURL(),
			"POLLINATIONS_IMAGE_API_STYLE=gen", "POLLINATIONS_TEXT_API_STYLE=gen", "POLLINATIONS_API_TOKEN=sk_laboratory",
			"DEEPSEEK_API_URL="+p.simulator.DeepSeekURL(), "DEEPSEEK_API_KEY=sk-laboratory", "SIMULATOR=off",
			"IMAGE_TIMEOUT=8s", "AUDIO_TIMEOUT=8s", "TEXT_TIMEOUT=8s",
			"WORKER_SLOTS_IMAGE=4", "WORKER_SLOTS_AUDIO=4", "WORKER_SLOTS_TEXT=6",
		), func(context.Context) bool { return true })
		if err != nil {
			return err
		}
		p.workers = append(p.workers, worker)
	}
	return nil
}

// program prepares an API or a worker.
func (p *plant) program(ctx context.Context, name, path string, env []string, ready func(context.Context) bool) (*process, error) {
	var lines []*proxy.Proxy
	var addrs []string
	for _, n := range p.nodes {
		line, err := p.line(ctx, n.addr)
		if err != nil {
			return nil, err
		}
		lines, addrs = append(lines, line), append(addrs, line.Addr())
	}
	c := p.process(name, path, nil, append(env, "NATS_URL="+natsURL(addrs)), ready)
	c.lines = lines
	return c, nil
}

func (p *plant) line(ctx context.Context, target string) (*proxy.Proxy, error) {
	line, err := proxy.Listen(ctx, target)
	if err == nil {
		p.proxies = append(p.proxies, line)
	}
	return line, err
}

func (p *plant) process(name, path string, args, env []string, ready func(context.Context) bool) *process {
	return &process{
		name: name, path: path, args: args, env: env, dir: p.dir, ready: ready, starter: p.starter, died: p.revive,
		turn: make(chan struct{}, 1),
	}
}

// revive starts a child again that ended by itself, which is a violation: an outage is to be waited out.
func (p *plant) revive(name string, err error) {
	if p.ctx.Err() != nil {
		return
	}
	p.book.Fault("%s ended by itself: %v", name, err)
	p.restarts.Go(func() {
		if !lifecycle.Sleep(p.ctx, time.Second) {
			return
		}
		for _, c := range p.all() {
			if c.name != name {
				continue
			}
			if err := c.launch(); err != nil {
				p.book.Fault("%v", err)
			}
		}
	})
}

// all returns every child, in the order of their start.
func (p *plant) all() []*process {
	var all []*process
	for _, n := range p.nodes {
		all = append(all, n.process)
	}
	return append(append(all, p.apis...), p.workers...)
}

// urls returns the addresses at which clients reach the APIs.
func (p *plant) urls() []string {
	var urls []string
	for _, a := range p.apis {
		urls = append(urls, "http://"+a.fronts[0].Addr())
	}
	return urls
}

// leader returns the node that leads a stream, or nil when nobody does or can be asked.
func (p *plant) leader(ctx context.Context, stream string) *node {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s, err := p.broker.JetStream().Stream(ctx, stream)
	if err != nil || s.CachedInfo().Cluster == nil {
		return nil
	}
	for _, n := range p.nodes {
		if n.name == s.CachedInfo().Cluster.Leader {
			return n
		}
	}
	return nil
}

// heal makes everything good again: fair weather on all lines and upstream, and every child running.
func (p *plant) heal(ctx context.Context) error {
	p.simulator.Clear()
	for _, line := range p.proxies {
		line.Set(proxy.Weather{})
	}
	var errs []error
	for _, c := range p.all() {
		if !c.alive() {
			errs = append(errs, c.launch())
			continue
		}
		errs = append(errs, c.signal(syscall.SIGCONT, false))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, c := range p.all() {
		if err := c.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stop ends everything.
func (p *plant) stop(ctx context.Context) {
	p.stopRestarts()
	p.restarts.Wait()
	ctx, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	if p.broker != nil {
		_ = p.broker.Close(ctx)
	}
	for _, c := range slices.Backward(p.all()) {
		if c.cmd != nil {
			_ = c.kill()
		}
	}
	for _, line := range p.proxies {
		line.Close()
	}
	if p.simulator != nil {
		_ = p.simulator.Stop(ctx)
	}
	p.starter.close()
}

// answers reports whether a GET is answered with 200.
func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}
