package processor_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/processor/processortest"
)

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

// pass waits until the gate is opened or ctx ends.
func (g *gate) pass(ctx context.Context) error {
	select {
	case <-g.open:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// generator returns a generator whose calls wait for the gate and then succeed.
func (g *gate) generator() *processortest.Generator {
	return processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if err := g.pass(c.Ctx); err != nil {
			return nil, err
		}
		return processortest.Succeed(c)
	})
}

func awaitDone(ctx context.Context, t *testing.T, what string) {
	t.Helper()
	guard := time.NewTimer(processortest.Timeout)
	defer guard.Stop()
	select {
	case <-ctx.Done():
	case <-guard.C:
		t.Fatalf("never: %s", what)
	}
}

// after returns a generator that fails the first calls of a job with the given errors and succeeds from then on.
func after(errs ...error) *processortest.Generator {
	return processortest.NewGenerator(func(c processortest.Call) (*job.Result, error) {
		if c.N <= len(errs) {
			return nil, errs[c.N-1]
		}
		return processortest.Succeed(c)
	})
}

func imageFault(class fault.Class, code string) *fault.Error {
	return &fault.Error{Upstream: job.UpstreamImage, Class: class, Code: code, Status: 500, Detail: "upstream message"}
}

func retryable() *fault.Error { return imageFault(fault.Retryable, job.CodeUnavailable) }

func throttled(wait time.Duration) *fault.Error {
	f := imageFault(fault.Throttled, job.CodeThrottled)
	f.Status, f.RetryAfter = 429, wait
	return f
}

func isHeartbeat(m *nats.Msg) bool { return string(m.Data) == "+WPI" }

// spy collects the messages on a subject.
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

// count returns the number of messages that match.
func (s *spy) count(matches func(*nats.Msg) bool) int {
	n := 0
	for _, m := range s.seen() {
		if matches(m) {
			n++
		}
	}
	return n
}
