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
	"github.com/text2image-audio/text2image-audio/pkg/chaos/model"
	"github.com/text2image-audio/text2image-audio/pkg/chaos/proxy"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
	"github.com/text2image-audio/text2image-audio/pkg/simulator"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

const (
	apiCount    = 2
	workerCount = 2
	// startTimeout bounds the start of the cluster, and of one process.
	startTimeout = time.Minute
	// stopTimeout is how long a process may take to shut down.
	stopTimeout = 20 * time.Second
)

// cluster is everything that runs: nats-servers, APIs, workers, the proxies between them, and the simulator, which is never
// killed.
type cluster struct {
	cfg      Config
	dir      string
	programs programs
	model    *model.Model
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
	ctx          context.Context //nolint:containedctx // Processes that exited by themselves are restarted with it.
}

// newCluster starts everything and returns when it is ready.
func newCluster(ctx context.Context, cfg Config, dir string, built programs, m *model.Model) (*cluster, error) {
	cl := &cluster{cfg: cfg, dir: dir, programs: built, model: m, starter: newStarter()}
	cl.ctx, cl.stopRestarts = context.WithCancel(ctx)
	startCtx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := cl.start(startCtx); err != nil {
		cl.stop(context.WithoutCancel(ctx))
		return nil, err
	}
	return cl, nil
}

func (cl *cluster) start(ctx context.Context) error {
	cl.simulator = simulator.New(simulator.Config{Seed: cl.cfg.Seed, Latency: simulator.Latency{
		Image:  simulator.Delay{Min: 50 * time.Millisecond, Max: 1500 * time.Millisecond},
		Speech: simulator.Delay{Min: 50 * time.Millisecond, Max: 1500 * time.Millisecond},
		Chat:   simulator.Delay{Min: 50 * time.Millisecond, Max: 800 * time.Millisecond},
		Token:  simulator.Delay{Min: time.Millisecond, Max: 10 * time.Millisecond},
	}})
	if err := cl.simulator.Start(context.WithoutCancel(ctx), ""); err != nil {
		return fmt.Errorf("start simulator: %w", err)
	}
	url, err := cl.newProcesses(ctx)
	if err != nil {
		return err
	}
	for _, c := range cl.all() {
		if err := c.launch(); err != nil {
			return err
		}
	}
	for _, c := range cl.all() {
		if err := c.awaitReady(ctx); err != nil {
			return err
		}
	}
	cl.broker, err = broker.Open(ctx, broker.Config{
		URL: env.Secret(url), Follower: true, Replicas: cl.cfg.Nodes,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	cl.store, err = store.New(ctx, cl.broker)
	return err
}

// newProcesses configures all processes and returns the URL of NATS.
func (cl *cluster) newProcesses(ctx context.Context) (natsURL string, err error) {
	if cl.cfg.embedded() {
		return cl.newEmbedded(ctx)
	}
	if err := cl.newNodes(ctx); err != nil {
		return "", err
	}
	var direct []string
	for _, n := range cl.nodes {
		direct = append(direct, n.addr)
	}
	return urlOf(direct), cl.newPrograms(ctx)
}

// newPrograms configures the APIs and workers, each with its own proxy to each node.
func (cl *cluster) newPrograms(ctx context.Context) error {
	for i := range apiCount {
		natsLines, natsURL, err := cl.lines(ctx)
		if err != nil {
			return err
		}
		env := []string{natsURL, fmt.Sprintf("NATS_REPLICAS=%d", cl.cfg.Nodes)}
		api, err := cl.newAPI(ctx, fmt.Sprintf("api-%d", i+1), cl.programs.api, nil, env)
		if err != nil {
			return err
		}
		api.natsLines = natsLines
		cl.apis = append(cl.apis, api)
	}
	for i := range workerCount {
		natsLines, natsURL, err := cl.lines(ctx)
		if err != nil {
			return err
		}
		env := slices.Concat(commonSettings(), cl.workerSettings(), []string{natsURL, fmt.Sprintf("NATS_REPLICAS=%d", cl.cfg.Nodes)})
		worker := cl.process(fmt.Sprintf("worker-%d", i+1), cl.programs.worker, nil, env, func(context.Context) bool { return true })
		worker.natsLines = natsLines
		cl.workers = append(cl.workers, worker)
	}
	return nil
}

// newAPI configures an API with a proxy before it.
func (cl *cluster) newAPI(ctx context.Context, name, path string, args, env []string) (*process, error) {
	addr, err := freePort(ctx)
	if err != nil {
		return nil, err
	}
	front, err := cl.line(ctx, addr)
	if err != nil {
		return nil, err
	}
	env = slices.Concat(commonSettings(), env, []string{
		"LISTEN_ADDR=" + addr,
		// The clients submit more than a guest may.
		"QUOTA_GUEST_PER_MINUTE=0", "QUOTA_GUEST_PER_DAY=0", "MAX_ACTIVE_JOBS_GUEST=0", "SIGNUPS_PER_HOUR=0",
	})
	api := cl.process(name, path, args, env, func(ctx context.Context) bool { return returnsOK(ctx, "http://"+addr+"/readyz") })
	api.clientLines = append(api.clientLines, front)
	return api, nil
}

// commonSettings are those of APIs and workers.
func commonSettings() []string {
	return []string{
		"LOG_LEVEL=info", "JWT_SECRET=used-only-by-the-chaos-tests", "FETCH_RETRY_INITIAL_DELAY_MS=100", "FETCH_RETRY_MAX_DELAY_MS=2000",
		"STOP_TIMEOUT=10s", "WORKER_SOFT_STOP=2s",
	}
}

// workerSettings are those of workers, in their own process or in that of an API.
func (cl *cluster) workerSettings() []string {
	return []string{
		"POLLINATIONS_IMAGE_API_BASE=" + cl.simulator.PollinationsURL(), "POLLINATIONS_TEXT_API_BASE=" + cl.simulator.PollinationsURL(),
		"POLLINATIONS_IMAGE_API_STYLE=gen", "POLLINATIONS_TEXT_API_STYLE=gen", "POLLINATIONS_API_TOKEN=sk_chaos",
		"DEEPSEEK_API_URL=" + cl.simulator.DeepSeekURL(), "DEEPSEEK_API_KEY=sk-chaos", "SIMULATOR=off",
		"IMAGE_TIMEOUT=8s", "AUDIO_TIMEOUT=8s", "TEXT_TIMEOUT=8s",
		"WORKER_SLOTS_IMAGE=4", "WORKER_SLOTS_AUDIO=4", "WORKER_SLOTS_TEXT=6",
	}
}

// lines returns a new proxy to each node, and the setting of a program that connects through them.
func (cl *cluster) lines(ctx context.Context) (lines []*proxy.Proxy, natsURL string, err error) {
	var addrs []string
	for _, n := range cl.nodes {
		line, err := cl.line(ctx, n.addr)
		if err != nil {
			return nil, "", err
		}
		lines, addrs = append(lines, line), append(addrs, line.Addr())
	}
	return lines, "NATS_URL=" + urlOf(addrs), nil
}

func (cl *cluster) line(ctx context.Context, target string) (*proxy.Proxy, error) {
	line, err := proxy.Listen(ctx, target)
	if err == nil {
		cl.proxies = append(cl.proxies, line)
	}
	return line, err
}

func (cl *cluster) process(name, path string, args, env []string, ready func(context.Context) bool) *process {
	return &process{
		name: name, path: path, args: args, env: env, dir: cl.dir, ready: ready, starter: cl.starter, onExit: cl.restart,
		busy: make(chan struct{}, 1),
	}
}

// restart restarts a process that exited by itself, which is a violation: programs must survive outages.
func (cl *cluster) restart(name string, err error) {
	if cl.ctx.Err() != nil {
		return
	}
	cl.model.Violation("%s exited by itself: %v", name, err)
	cl.restarts.Go(func() {
		if !lifecycle.Sleep(cl.ctx, time.Second) {
			return
		}
		for _, c := range cl.all() {
			if c.name != name {
				continue
			}
			if err := c.launch(); err != nil {
				cl.model.Violation("%v", err)
			}
		}
	})
}

// all returns all processes in start order.
func (cl *cluster) all() []*process {
	var all []*process
	for _, n := range cl.nodes {
		all = append(all, n.process)
	}
	return append(append(all, cl.apis...), cl.workers...)
}

// urls returns the URLs at which clients reach the APIs.
func (cl *cluster) urls() []string {
	var urls []string
	for _, a := range cl.apis {
		urls = append(urls, "http://"+a.clientLines[0].Addr())
	}
	return urls
}

// leader returns the node that leads a stream, or nil if that is unknown.
func (cl *cluster) leader(ctx context.Context, stream string) *node {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	s, err := cl.broker.JetStream().Stream(ctx, stream)
	if err != nil || s.CachedInfo().Cluster == nil {
		return nil
	}
	for _, n := range cl.nodes {
		if n.name == s.CachedInfo().Cluster.Leader {
			return n
		}
	}
	return nil
}

// heal removes all faults and waits until every process runs and is ready.
func (cl *cluster) heal(ctx context.Context) error {
	cl.simulator.Clear()
	for _, line := range cl.proxies {
		line.Set(proxy.Faults{})
	}
	var errs []error
	for _, c := range cl.all() {
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
	for _, c := range cl.all() {
		if err := c.awaitReady(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stop stops everything.
func (cl *cluster) stop(ctx context.Context) {
	cl.stopRestarts()
	cl.restarts.Wait()
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if cl.broker != nil {
		_ = cl.broker.Close(ctx)
	}
	for _, c := range slices.Backward(cl.all()) {
		if c.cmd != nil {
			_ = c.kill()
		}
	}
	for _, line := range cl.proxies {
		line.Close()
	}
	if cl.simulator != nil {
		_ = cl.simulator.Stop(ctx)
	}
	cl.starter.close()
}

// returnsOK reports whether a GET returns 200.
func returnsOK(ctx context.Context, url string) bool {
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
