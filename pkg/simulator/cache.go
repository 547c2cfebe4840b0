package simulator

import (
	"container/list"
	"context"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

// artifact is one generated picture or sound with the headers that travel
// with it. It is never changed once made.
type artifact struct {
	content.Media
	header map[string]string
}

// origin says how an answer came about, in the words of X-Cache-Type.
type origin string

const (
	originGenerated origin = "GENERATED"
	originExact     origin = "EXACT"
	originCoalesced origin = "COALESCED"
)

// verdict is the word of X-Cache.
func (o origin) verdict() string {
	if o == originGenerated {
		return "MISS"
	}
	return "HIT"
}

// flight is a generation under way and everybody who waits for it.
type flight struct {
	done chan struct{}
	art  *artifact
	err  error
}

// cache keeps the artifacts used last, up to a number of bytes, and lets
// identical requests share one generation. A generation goes on when its
// client has left, so that the retry finds it done.
type cache struct {
	ctx   context.Context
	limit int64

	mu      sync.Mutex
	used    int64
	order   *list.List // of *entry, the most recently used first
	entries map[string]*list.Element
	flights map[string]*flight
	running sync.WaitGroup
}

type entry struct {
	key string
	art *artifact
}

func newCache(ctx context.Context, limit int64) *cache {
	return &cache{ctx: ctx, limit: limit, order: list.New(), entries: map[string]*list.Element{}, flights: map[string]*flight{}}
}

// fetch returns the artifact of a key, from the cache, from a generation
// under way or from a new one. An empty key shares nothing and is not kept;
// fresh skips what is kept but keeps the new one. It fails when ctx, the
// waiter's own, ends first, when the generation fails, or after the stop.
func (c *cache) fetch(ctx context.Context, key string, fresh bool, generate func(context.Context) (*artifact, error)) (*artifact, origin, error) {
	c.mu.Lock()
	if err := context.Cause(c.ctx); err != nil {
		c.mu.Unlock()
		return nil, originGenerated, err
	}
	if element, ok := c.entries[key]; ok && key != "" && !fresh {
		c.order.MoveToFront(element)
		art := element.Value.(*entry).art
		c.mu.Unlock()
		return art, originExact, nil
	}
	from := originCoalesced
	f, joined := c.flights[key]
	if !joined || key == "" {
		from = originGenerated
		f = &flight{done: make(chan struct{})}
		if key != "" {
			c.flights[key] = f
		}
		// Under the lock, so that no generation starts once wait is waiting.
		c.running.Go(func() { c.run(key, f, generate) })
	}
	c.mu.Unlock()

	select {
	case <-f.done:
		return f.art, from, f.err
	case <-ctx.Done():
		return nil, from, context.Cause(ctx)
	}
}

// run makes the artifact, keeps it and wakes everybody who waits.
func (c *cache) run(key string, f *flight, generate func(context.Context) (*artifact, error)) {
	f.art, f.err = generate(c.ctx)
	c.mu.Lock()
	if key != "" {
		delete(c.flights, key)
		if f.err == nil {
			c.keep(key, f.art)
		}
	}
	c.mu.Unlock()
	close(f.done)
}

// keep stores an artifact and drops the least recently used ones beyond the
// limit. What is larger than the limit is not kept at all.
func (c *cache) keep(key string, art *artifact) {
	if old, ok := c.entries[key]; ok {
		c.drop(old)
	}
	size := int64(len(art.Bytes))
	if size > c.limit {
		return
	}
	c.entries[key] = c.order.PushFront(&entry{key: key, art: art})
	c.used += size
	for c.used > c.limit {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(element *list.Element) {
	e := c.order.Remove(element).(*entry)
	delete(c.entries, e.key)
	c.used -= int64(len(e.art.Bytes))
}

// wait returns when no generation runs any more, or when ctx ends.
func (c *cache) wait(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		// Taking the lock once lets a fetch that began before the stop finish its start.
		c.mu.Lock()
		c.mu.Unlock() //nolint:staticcheck // Empty on purpose.
		c.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
