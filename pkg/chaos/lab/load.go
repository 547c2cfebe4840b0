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

	"github.com/text2image-audio/text2image-audio/pkg/chaos/claims"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	browsers = 3
	scripts  = 5
)

// load is all clients and what they do.
type load struct {
	cfg     Config
	book    *claims.Book
	answers *tally
	clients []*client
	next    atomic.Int64
	// followers are those who still wait for the end of a job.
	followers sync.WaitGroup
	// life ends what the followers wait for.
	life context.Context //nolint:containedctx // Longer than any one call.

	mu         sync.Mutex
	probes     int
	recoveries map[string][]time.Duration
}

func newLoad(ctx context.Context, cfg Config, urls []string, book *claims.Book) (*load, error) {
	l := &load{cfg: cfg, book: book, answers: newTally(), recoveries: make(map[string][]time.Duration), life: ctx}
	for i := range browsers + scripts {
		c, err := newClient(ctx, urls, book, l.answers, i < browsers)
		if err != nil {
			return nil, err
		}
		l.clients = append(l.clients, c)
	}
	return l, nil
}

// run submits jobs until ctx ends or there are enough, and watches the browsers' lists and streams.
func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	pause := l.cfg.Duration * time.Duration(len(l.clients)) / time.Duration(l.cfg.Jobs)
	for i, c := range l.clients {
		wg.Go(func() {
			d := l.cfg.dice(uint64(100 + i)) //nolint:gosec // Small.
			for lifecycle.Sleep(ctx, between(d, 0, 2*pause)) {
				n := l.next.Add(1)
				if n > int64(l.cfg.Jobs) {
					return
				}
				o := newOrder(d, fmt.Sprintf("%s%06d", jobMark, n))
				dice := l.cfg.dice(uint64(100_000 + n)) //nolint:gosec // Small.
				l.followers.Go(func() { l.live(l.life, dice, c, o) })
			}
		})
		if c.cookie == "" {
			continue
		}
		wg.Go(func() {
			d := l.cfg.dice(uint64(200 + i)) //nolint:gosec // Small.
			for lifecycle.Sleep(ctx, time.Second) {
				c.list(ctx, d)
			}
		})
		wg.Go(func() {
			d := l.cfg.dice(uint64(300 + i)) //nolint:gosec // Small.
			for lifecycle.Sleep(ctx, again) {
				c.stream(ctx, d, "/api/events", "")
			}
		})
	}
	wg.Wait()
}

// live is the whole life of one order.
func (l *load) live(ctx context.Context, d *rand.Rand, c *client, o order) {
	var twin sync.WaitGroup
	if o.twice {
		dice := rand.New(rand.NewPCG(d.Uint64(), 1)) //nolint:gosec // Repeatable, not secret.
		twin.Go(func() { c.submit(ctx, dice, o) })
	}
	v := c.submit(ctx, d, o)
	twin.Wait()
	if v == nil {
		return
	}
	if o.cancelAfter > 0 {
		dice := rand.New(rand.NewPCG(d.Uint64(), 2)) //nolint:gosec // Repeatable, not secret.
		twin.Go(func() {
			lifecycle.Sleep(ctx, o.cancelAfter)
			c.cancel(ctx, dice, v.ID)
		})
	}
	end := c.await(ctx, d, v.ID, o.follow)
	twin.Wait()
	if end == nil {
		return
	}
	// Once more at once, perhaps from the other API, and once more later.
	c.read(ctx, d, v.ID, "", 0)
	c.download(ctx, d, end)
	if o.key != "" && d.IntN(10) == 0 {
		c.misuse(ctx, d, o)
	}
	if o.key != "" && d.IntN(5) == 0 {
		c.submit(ctx, d, o)
	}
	lifecycle.Sleep(ctx, between(d, 0, time.Second))
	c.read(ctx, d, v.ID, "", 0)
	if o.remove {
		c.remove(ctx, d, v.ID)
	}
}

// misuse sends another request under a key that was used, which must be refused.
func (c *client) misuse(ctx context.Context, d *rand.Rand, o order) {
	other := []byte(`{"kind":"prompt","input":{"text":"another request"}}`)
	status, data, err := c.call(ctx, d, 0, http.MethodPost, "/api/jobs", other, "Idempotency-Key", o.key)
	if err == nil && status < 500 && status != http.StatusUnprocessableEntity && status != http.StatusTooManyRequests {
		c.book.Fault("another request under the key of %s is answered with %d: %.300s", o.name, status, data)
	}
}

// killed measures how long it takes from a kill until a new job is accepted, worked and seen to have ended.
func (l *load) killed(what string) {
	begun := time.Now()
	l.mu.Lock()
	l.probes++
	n := l.probes
	l.mu.Unlock()
	l.followers.Go(func() {
		d := l.cfg.dice(uint64(500_000 + n)) //nolint:gosec // Small.
		c := l.clients[len(l.clients)-1]
		v := c.submit(l.life, d, probe(n))
		if v == nil || c.await(l.life, d, v.ID, followPoll) == nil {
			return
		}
		took := time.Since(begun)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.recoveries[what] = append(l.recoveries[what], took)
	})
}

// wait waits until nobody waits for a job any more, or reports that some still do after a time.
func (l *load) wait(ctx context.Context, within time.Duration) bool {
	quiet := make(chan struct{})
	go func() { l.followers.Wait(); close(quiet) }()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-quiet:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// recovered returns the median and the longest of the measured recoveries after kills of a kind.
func (l *load) recovered(what string) (n int, median, longest time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	times := slices.Clone(l.recoveries[what])
	if len(times) == 0 {
		return 0, 0, 0
	}
	slices.Sort(times)
	return len(times), times[len(times)/2], times[len(times)-1]
}
