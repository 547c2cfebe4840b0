package processor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// ErrCircuitOpen is returned for an upstream whose circuit breaker is open.
var ErrCircuitOpen = errors.New("the circuit breaker of the upstream is open")

// Guard calls an upstream other than the one that the job's kind needs, and reports the outcome to its circuit breaker.
// While that is open, it fails with ErrCircuitOpen without the call.
func (t *Task) Guard(ctx context.Context, name string, call func() error) error {
	b := t.attempt.processor.breaker
	granted, ok := b.acquireCall(ctx, name)
	if !ok {
		return ErrCircuitOpen
	}
	return t.guarded(ctx, granted, call)
}

// CallProvider is Guard for one of the providers of an upstream. With spare, others may serve meanwhile, and the circuit
// breaker also opens after some failures in a row of any kind. A half-open one lets a single call through.
func (t *Task) CallProvider(ctx context.Context, name string, spare bool, call func() error) error {
	b := t.attempt.processor.breaker
	granted, ok := b.acquireCall(ctx, name)
	if !ok {
		return ErrCircuitOpen
	}
	granted.provider = spare
	return t.guarded(ctx, granted, call)
}

func (t *Task) guarded(ctx context.Context, granted permit, call func() error) error {
	b := t.attempt.processor.breaker
	defer t.attempt.holdProbe(granted)()
	reported := false
	defer func() {
		if !reported {
			b.report(ctx, granted, nil, false)
		}
	}()
	err := call()
	var f *fault.Error
	reported = true
	switch {
	case err == nil:
		b.report(ctx, granted, nil, true)
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errTimeout):
		// The job ended the call, not the upstream.
		b.report(ctx, granted, nil, false)
	case errors.As(err, &f) && f.Upstream == granted.upstream && f.Class != fault.Canceled:
		b.report(ctx, granted, f, true)
	default:
		b.report(ctx, granted, nil, false)
	}
	return err
}

// Standing is the state of a circuit breaker at one moment.
type Standing struct {
	Open bool
	// Wait is the time until a call may probe the upstream; 0 if one may now, or does.
	Wait time.Duration
	// Code and Status describe the fault that opened the circuit breaker.
	Code   string
	Status int
}

// Standing returns the state of the circuit breaker of a provider, from memory.
func (t *Task) Standing(name string) Standing { return t.attempt.processor.breaker.standing(name) }

// standing returns the state of the circuit breaker of an upstream, with this worker's own Retry-After.
func (b *breaker) standing(name string) Standing {
	c, now := b.control.View().Circuit(name), b.now()
	b.mu.Lock()
	wait := max(0, b.backoffUntil[name].Sub(now))
	b.mu.Unlock()
	s := Standing{Open: c.Open() || wait > 0, Wait: wait, Code: c.Code, Status: c.Status}
	if c.State == control.CircuitOpen {
		s.Wait = max(wait, c.Until.Sub(now))
	}
	return s
}

// holdProbe renews the permit for a probe with the job's heartbeats until the returned function is called.
func (a *attempt) holdProbe(p permit) (release func()) {
	if !p.probe {
		return func() {}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.probes == nil {
		a.probes = make(map[string]permit)
	}
	a.probes[p.upstream] = p
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.probes, p.upstream)
	}
}

// renewProbes renews the permits for probes of the attempt.
func (a *attempt) renewProbes(ctx context.Context) {
	a.mu.Lock()
	permits := slices.Collect(maps.Values(a.probes))
	a.mu.Unlock()
	for _, p := range append(permits, a.currentPermit()) {
		a.processor.breaker.renew(ctx, p)
	}
}
