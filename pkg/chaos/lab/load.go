//go:build unix

package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/model"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	browsers = 3
	scripts  = 5
)

// load is the clients and their requests.
type load struct {
	cfg       Config
	model     *model.Model
	responses *tally
	clients   []*client
	accounts  *accounts
	next      atomic.Int64
	// followers are the goroutines that wait for the end of a job.
	followers sync.WaitGroup
	// jobs is the context of the followers.
	jobs context.Context //nolint:containedctx // Longer than any one call.

	mu         sync.Mutex
	probes     int
	recoveries map[string][]time.Duration
}

func newLoad(ctx context.Context, cfg Config, urls []string, m *model.Model) (*load, error) {
	l := &load{cfg: cfg, model: m, responses: newTally(), recoveries: make(map[string][]time.Duration), jobs: ctx}
	for i := range browsers + scripts {
		c, err := newClient(ctx, urls, m, l.responses, i < browsers)
		if err != nil {
			return nil, err
		}
		l.clients = append(l.clients, c)
	}
	member, err := newClient(ctx, urls, m, l.responses, false)
	if err != nil {
		return nil, err
	}
	l.accounts = &accounts{client: member, confirmed: make(map[string]account)}
	return l, nil
}

// run submits jobs until ctx ends or the limit is reached, reads the lists and streams of the browsers, and registers accounts.
func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { l.accounts.run(ctx, l.cfg.rng(400)) })
	interval := l.cfg.Duration * time.Duration(len(l.clients)) / time.Duration(l.cfg.Jobs)
	for i, c := range l.clients {
		wg.Go(func() {
			rng := l.cfg.rng(uint64(100 + i)) //nolint:gosec // Small.
			for lifecycle.Sleep(ctx, between(rng, 0, 2*interval)) {
				n := l.next.Add(1)
				if n > int64(l.cfg.Jobs) {
					return
				}
				o := newOrder(rng, fmt.Sprintf("%s%06d", namePrefix, n))
				jobRNG := l.cfg.rng(uint64(100_000 + n)) //nolint:gosec // Small.
				l.followers.Go(func() { l.runJob(l.jobs, jobRNG, c, o) })
			}
		})
		if c.cookie == "" {
			continue
		}
		wg.Go(func() {
			rng := l.cfg.rng(uint64(200 + i)) //nolint:gosec // Small.
			for lifecycle.Sleep(ctx, time.Second) {
				c.list(ctx, rng)
			}
		})
		wg.Go(func() {
			rng := l.cfg.rng(uint64(300 + i)) //nolint:gosec // Small.
			for lifecycle.Sleep(ctx, retryDelay) {
				c.stream(ctx, rng, "/api/events", "")
			}
		})
	}
	wg.Wait()
}

// runJob runs one order from submission to deletion.
func (l *load) runJob(ctx context.Context, rng *rand.Rand, c *client, o order) {
	var concurrent sync.WaitGroup
	if o.twice {
		jobRNG := rand.New(rand.NewPCG(rng.Uint64(), 1)) //nolint:gosec // Must be reproducible.
		concurrent.Go(func() { c.submit(ctx, jobRNG, o) })
	}
	v := c.submit(ctx, rng, o)
	concurrent.Wait()
	if v == nil {
		return
	}
	if o.cancelAfter > 0 {
		jobRNG := rand.New(rand.NewPCG(rng.Uint64(), 2)) //nolint:gosec // Must be reproducible.
		concurrent.Go(func() {
			lifecycle.Sleep(ctx, o.cancelAfter)
			c.cancel(ctx, jobRNG, v.ID)
		})
	}
	end := c.await(ctx, rng, v.ID, o.follow)
	concurrent.Wait()
	if end == nil {
		return
	}
	// Read it again at once, perhaps from the other API, and again later.
	c.read(ctx, rng, v.ID, "", 0)
	c.download(ctx, rng, end)
	if o.key != "" && rng.IntN(10) == 0 {
		c.reuseKey(ctx, rng, o)
	}
	if o.key != "" && rng.IntN(5) == 0 {
		c.submit(ctx, rng, o)
	}
	lifecycle.Sleep(ctx, between(rng, 0, time.Second))
	c.read(ctx, rng, v.ID, "", 0)
	if o.remove {
		c.remove(ctx, rng, v.ID)
	}
}

// reuseKey sends another request with a used key, which must be rejected.
func (c *client) reuseKey(ctx context.Context, rng *rand.Rand, o order) {
	other := []byte(`{"kind":"prompt","input":{"text":"another request"}}`)
	status, data, err := c.call(ctx, rng, 0, http.MethodPost, "/api/jobs", other, "Idempotency-Key", o.key)
	if err == nil && status < 500 && status != http.StatusUnprocessableEntity && status != http.StatusTooManyRequests {
		c.model.Violation("another request with the key of %s returned %d: %.300s", o.name, status, data)
	}
}

// measureRecovery measures the time from a kill until a new job is accepted, processed and seen to have ended.
func (l *load) measureRecovery(what string) {
	started := time.Now()
	l.mu.Lock()
	l.probes++
	n := l.probes
	l.mu.Unlock()
	l.followers.Go(func() {
		rng := l.cfg.rng(uint64(500_000 + n)) //nolint:gosec // Small.
		c := l.clients[len(l.clients)-1]
		v := c.submit(l.jobs, rng, probe(n))
		if v == nil || c.await(l.jobs, rng, v.ID, followPoll) == nil {
			return
		}
		took := time.Since(started)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.recoveries[what] = append(l.recoveries[what], took)
	})
}

// wait waits for the followers. It returns false on timeout.
func (l *load) wait(ctx context.Context, timeout time.Duration) bool {
	done := make(chan struct{})
	go func() { l.followers.Wait(); close(done) }()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// recovery returns the number, the median and the maximum of the recovery times after kills of a kind.
func (l *load) recovery(what string) (n int, median, longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := slices.Clone(l.recoveries[what])
	if len(times) == 0 {
		return 0, 0, 0
	}
	slices.Sort(times)
	return len(times), times[len(times)/2], times[len(times)-1]
}
