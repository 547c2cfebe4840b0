package processor_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor"
)

// call is one call of a fake generator.
type Call struct {
	Ctx  context.Context
	Task *processor.Task
	// n counts the calls for this job from 1.
	N  int
	At time.Time
}

// fake is a generator that does what a test says.
type Generator struct {
	do func(Call) (*job.Result, error)

	mu      sync.Mutex
	calls   []Call
	counts  map[string]int
	changed chan struct{}
	busy    int
	most    int
}

func NewGenerator(do func(Call) (*job.Result, error)) *Generator {
	return &Generator{do: do, counts: make(map[string]int), changed: make(chan struct{})}
}

// Generate does what the test says.
func (f *Generator) Generate(ctx context.Context, t *processor.Task) (*job.Result, error) {
	f.mu.Lock()
	f.counts[t.Spec.ID]++
	c := Call{ctx, t, f.counts[t.Spec.ID], time.Now()}
	f.calls = append(f.calls, c)
	f.busy++
	f.most = max(f.most, f.busy)
	close(f.changed)
	f.changed = make(chan struct{})
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.busy--
	}()
	return f.do(c)
}

// wait returns the calls once there are n of them.
func (f *Generator) WaitCalls(t *testing.T, n int) []Call {
	t.Helper()
	guard := time.NewTimer(Timeout)
	defer guard.Stop()
	for {
		f.mu.Lock()
		if len(f.calls) >= n {
			defer f.mu.Unlock()
			return slices.Clone(f.calls)
		}
		seen, changed := len(f.calls), f.changed
		f.mu.Unlock()
		select {
		case <-changed:
		case <-guard.C:
			t.Fatalf("%d calls, want %d", seen, n)
		}
	}
}

func (f *Generator) Count(id string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[id]
}

// gate holds calls until it is opened.
type gate struct {
	open chan struct{}
	once sync.Once
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{open: make(chan struct{})}
	t.Cleanup(g.release)
	return g
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// pass waits until the gate is opened or the call is broken off.
func (g *gate) pass(ctx context.Context) error {
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func awaitDone(ctx context.Context, t *testing.T, what string) {
	t.Helper()
	guard := time.NewTimer(Timeout)
	defer guard.Stop()
	select {
	case <-ctx.Done():
	case <-guard.C:
		t.Fatalf("never: %s", what)
	}
}

// succeed makes whatever the job asks for.
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

func Image(in *job.ImageInput, index int) store.Product {
	seed := in.SeedOf(index)
	return store.Product{
		Media: job.Media{Index: index, ContentType: "image/png", Width: 64, Height: 64, Seed: &seed},
		Data:  []byte{'p', byte(index)},
	}
}

// after answers the first calls of a job with the given errors and makes what it asks for from then on.
func after(errs ...error) *Generator {
	return NewGenerator(func(c Call) (*job.Result, error) {
		if c.N <= len(errs) {
			return nil, errs[c.N-1]
		}
		return Succeed(c)
	})
}

// always answers every call with an error.
func Always(err error) *Generator {
	return NewGenerator(func(Call) (*job.Result, error) { return nil, err })
}

func imageFault(class fault.Class, code string) *fault.Error {
	return &fault.Error{Upstream: job.UpstreamImage, Class: class, Code: code, Status: 500, Detail: "what the upstream said"}
}

func retryable() *fault.Error { return imageFault(fault.Retryable, job.CodeUnavailable) }

func throttled(wait time.Duration) *fault.Error {
	f := imageFault(fault.Throttled, job.CodeThrottled)
	f.Status, f.RetryAfter = 429, wait
	return f
}

// spy collects what is sent on a subject.
type spy struct {
	mu   sync.Mutex
	msgs []*nats.Msg
}

func (r *rig) spy(subject string) *spy {
	r.Helper()
	s := &spy{}
	sub, err := r.Broker.Conn().Subscribe(subject, func(m *nats.Msg) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.msgs = append(s.msgs, m)
	})
	if err != nil {
		r.Fatal(err)
	}
	if err := r.Broker.Conn().Flush(); err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = sub.Unsubscribe() })
	return s
}

func (s *spy) seen() []*nats.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.msgs)
}

// count counts the messages that fit.
func (s *spy) count(fits func(*nats.Msg) bool) int {
	n := 0
	for _, m := range s.seen() {
		if fits(m) {
			n++
		}
	}
	return n
}
