package pollinations

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// How far apart calls to the legacy services must begin, which is what they ask of one URL.
const (
	imageSpacing  = 45 * time.Second
	speechSpacing = 30 * time.Second
	// busyRetryAfter is when to ask again while a call takes longer than the spacing: its end is unknown.
	busyRetryAfter = 5 * time.Second
)

// Gate lets one call to a legacy service through at a time. It gets the name of the upstream and returns a function to
// call after the call. It must not wait, since its caller holds a slot: while another call runs it fails with Busy. Any
// other error is returned as it is.
type Gate func(ctx context.Context, upstream string) (release func(), err error)

// Busy returns the error of a call that must wait for this long.
func Busy(name string, after time.Duration) *fault.Error {
	return &fault.Error{
		Upstream: name, Class: fault.Throttled, Code: job.CodeThrottled, RetryAfter: max(after, time.Millisecond), Err: errBusy,
	}
}

// busyError is the type of errBusy, so that the error needs no variable.
type busyError string

func (e busyError) Error() string { return string(e) }

const errBusy = busyError("the legacy service takes one call at a time and another one is running")

// localGate is a Gate for one process.
type localGate struct {
	spacing time.Duration

	mu   sync.Mutex
	busy bool
	next time.Time
}

// acquire is the Gate.
func (t *localGate) acquire(_ context.Context, name string) (func(), error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	wait := t.next.Sub(now)
	switch {
	case t.busy:
		return nil, Busy(name, max(wait, busyRetryAfter))
	case wait > 0:
		return nil, Busy(name, wait)
	}
	t.busy, t.next = true, now.Add(t.spacing)
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.busy = false
	}, nil
}

// gateError returns the error of a call that its gate refused.
func gateError(ctx context.Context, err error) error {
	if f, is := errors.AsType[*fault.Error](err); is {
		return f
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault.NewCanceled(ctx)
	}
	return fmt.Errorf("ask for a turn: %w", err)
}

// service is one of the two services.
type service struct {
	caller  upstream.Caller
	base    string
	setting string
	dialect dialect
	// gate and spacing are set for a legacy service only.
	gate    Gate
	spacing time.Duration
}

// setGate sets the gate of a legacy service and removes the key.
func (s *service) setGate(gate Gate, spacing time.Duration) {
	if _, old := s.dialect.(legacy); !old {
		return
	}
	if gate == nil {
		gate = (&localGate{spacing: spacing}).acquire
	}
	// Tokens mean nothing there, and a call that carries one is refused.
	s.caller.Key = ""
	s.gate, s.spacing = gate, spacing
}

// do sends a call through the gate, if there is one.
func (s *service) do(ctx context.Context, c call, accept func(*upstream.Response) error) error {
	if s.gate == nil {
		return s.caller.Do(ctx, c.Request, accept)
	}
	release, err := s.gate(ctx, s.caller.Upstream)
	if err != nil {
		return gateError(ctx, err)
	}
	if release != nil {
		defer release()
	}
	amend := c.Amend
	c.Amend = func(f *fault.Error) {
		if amend != nil {
			amend(f)
		}
		// Older answers do not say how long to wait, but the rule is known.
		if f.Class == fault.Throttled && f.RetryAfter == 0 {
			f.RetryAfter = s.spacing
		}
	}
	return s.caller.Do(ctx, c.Request, accept)
}
