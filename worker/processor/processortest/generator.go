package processortest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/processor"
)

// Call is one call of a Generator.
type Call struct {
	//nolint:containedctx // The function of a test gets the call as one value.
	Ctx  context.Context
	Task *processor.Task
	// N counts the calls for this job from 1.
	N  int
	At time.Time
}

// Generator is a processor.Generator that calls a function of the test and records the calls.
type Generator struct {
	do func(Call) (*job.Result, error)

	mu      sync.Mutex
	calls   []Call
	counts  map[string]int
	changed chan struct{}
	running int
	most    int
}

// NewGenerator returns a generator that calls do.
func NewGenerator(do func(Call) (*job.Result, error)) *Generator {
	return &Generator{do: do, counts: make(map[string]int), changed: make(chan struct{})}
}

// Always returns a generator whose calls all fail with err.
func Always(err error) *Generator {
	return NewGenerator(func(Call) (*job.Result, error) { return nil, err })
}

// Generate calls the function of the test.
func (g *Generator) Generate(ctx context.Context, t *processor.Task) (*job.Result, error) {
	g.mu.Lock()
	g.counts[t.Spec.ID]++
	c := Call{ctx, t, g.counts[t.Spec.ID], time.Now()}
	g.calls = append(g.calls, c)
	g.running++
	g.most = max(g.most, g.running)
	close(g.changed)
	g.changed = make(chan struct{})
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.running--
	}()
	return g.do(c)
}

// WaitCalls waits for n calls and returns all calls.
func (g *Generator) WaitCalls(t testing.TB, n int) []Call {
	t.Helper()
	guard := time.NewTimer(Timeout)
	defer guard.Stop()
	for {
		g.mu.Lock()
		calls, changed := slices.Clone(g.calls), g.changed
		g.mu.Unlock()
		if len(calls) >= n {
			return calls
		}
		select {
		case <-changed:
		case <-guard.C:
			t.Fatalf("%d calls, want %d", len(calls), n)
		}
	}
}

// Count returns the number of calls for a job.
func (g *Generator) Count(id string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.counts[id]
}

// Most returns the largest number of concurrent calls.
func (g *Generator) Most() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.most
}

// Succeed returns a successful result of the call.
func Succeed(c Call) (*job.Result, error) {
	switch in := c.Task.Spec.Input.(type) {
	case *job.ImageInput:
		for i := range in.Count() {
			if c.Task.Stored(i) {
				continue
			}
			if err := c.Task.Store(c.Ctx, Image(in, i), in.Count()); err != nil {
				return nil, err
			}
		}
		return &job.Result{}, nil
	case *job.AudioInput:
		if c.Task.Stored(0) {
			return nil, nil
		}
		return nil, c.Task.Store(c.Ctx, store.Product{Media: job.Media{ContentType: "audio/mpeg"}, Data: []byte("sound")}, 1)
	case *job.TextInput:
		return &job.Result{Text: "better " + in.Text}, nil
	}
	return nil, nil
}

// Image returns one image of a job, of two bytes.
func Image(in *job.ImageInput, index int) store.Product {
	seed := in.SeedOf(index)
	return store.Product{
		Media: job.Media{Index: index, ContentType: "image/png", Width: 64, Height: 64, Seed: &seed},
		Data:  []byte{'p', byte(index)}, //nolint:gosec // A set has few images.
	}
}
