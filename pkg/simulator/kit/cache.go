package kit

import (
	"context"
	"slices"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/simulator/content"
)

// Artifact is a generated image or audio file with the headers that belong to it.
// It must not be modified.
type Artifact struct {
	content.Media
	Header map[string]string
}

// Origin is where an artifact comes from, as in X-Cache-Type.
type Origin string

// The origins of an artifact.
const (
	OriginGenerated Origin = "GENERATED"
	OriginExact     Origin = "EXACT"
	OriginCoalesced Origin = "COALESCED"
)

// Verdict returns the value of X-Cache.
func (o Origin) Verdict() string {
	if o == OriginGenerated {
		return "MISS"
	}
	return "HIT"
}

// flight is a running generation that any number of requests wait for.
type flight struct {
	done chan struct{}
	art  *Artifact
	err  error
}

// cache keeps the latest artifacts, up to a number of bytes, and lets identical
// requests share one generation. A generation continues when its client has gone
// away, so that a retry finds it finished.
type cache struct {
	ctx   context.Context
	limit int64

	mu      sync.Mutex
	used    int64
	order   []string // the keys of entries, oldest first
	entries map[string]*Artifact
	flights map[string]*flight
	running sync.WaitGroup
}

func newCache(ctx context.Context, limit int64) *cache {
	return &cache{ctx: ctx, limit: limit, entries: map[string]*Artifact{}, flights: map[string]*flight{}}
}

// fetch returns the artifact of a key from the cache, from a running generation
// or from a new one. An empty key is neither shared nor cached; fresh ignores a
// cached artifact but caches the new one. It fails when ctx ends first, when the
// generation fails, or after the stop.
func (c *cache) fetch(ctx context.Context, key string, fresh bool, generate func(context.Context) (*Artifact, error)) (*Artifact, Origin, error) {
	c.mu.Lock()
	if err := context.Cause(c.ctx); err != nil {
		c.mu.Unlock()
		return nil, OriginGenerated, err
	}
	if art, ok := c.entries[key]; ok && !fresh {
		c.mu.Unlock()
		return art, OriginExact, nil
	}
	from := OriginCoalesced
	f, joined := c.flights[key]
	if !joined || key == "" {
		from = OriginGenerated
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

// run generates the artifact, caches it and wakes the requests that wait.
func (c *cache) run(key string, f *flight, generate func(context.Context) (*Artifact, error)) {
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

// keep caches an artifact and drops the oldest ones beyond the limit. An artifact
// larger than the limit is not cached.
func (c *cache) keep(key string, art *Artifact) {
	c.drop(key)
	if int64(len(art.Bytes)) > c.limit {
		return
	}
	c.order, c.entries[key] = append(c.order, key), art
	for c.used += int64(len(art.Bytes)); c.used > c.limit; {
		c.drop(c.order[0])
	}
}

func (c *cache) drop(key string) {
	if art, ok := c.entries[key]; ok {
		c.used -= int64(len(art.Bytes))
		delete(c.entries, key)
		c.order = slices.DeleteFunc(c.order, func(other string) bool { return other == key })
	}
}

// wait returns when no generation is running any more, or when ctx ends.
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
