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
	// busyRetryAfter is when to ask again while a call takes longer than the spacing: its end is not known.
	busyRetryAfter = 5 * time.Second
)

// Gate lets one call to a legacy service through at a time. It is given the upstream's name and returns what must be
// called once the call is over. It must not wait for its turn: a caller holds a slot meanwhile. It fails with Busy when
// it is not this call's turn, and with any other error when that cannot be told; such an error is passed on as it is.
type Gate func(ctx context.Context, upstream string) (release func(), err error)

// Busy returns the error of a call whose turn it is not, for the given time when it will be.
func Busy(name string, after time.Duration) *fault.Error {
	return &fault.Error{
		Upstream: name, Class: fault.Throttled, Code: job.CodeThrottled, RetryAfter: max(after, time.Millisecond), Err: errBusy,
	}
}

// busyError is the type of errBusy, so that the error needs no variable.
type busyError string

func (e busyError) Error() string { return string(e) }

const errBusy = busyError("the legacy service takes one call at a time, and another one has the turn")

// localGate is the gate of one process.
type localGate struct {
	spacing time.Duration

	mu   sync.Mutex
	busy bool
	next time.Time
}

// acquire takes the turn, or says when it may be free.
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

// gateError returns the error of a gate: an error as it is, the end of our own time-out as what it is.
func gateError(ctx context.Context, err error) error {
	if f, is := errors.AsType[*fault.Error](err); is {
		return f
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault.NewCanceled(ctx)
	}
	return fmt.Errorf("ask for a turn: %w", err)
}

// service is one of the two URLs with all that a call to it needs.
type service struct {
	caller  upstream.Caller
	base    string
	setting string
	dialect dialect
	// gate and spacing are set for a legacy service only.
	gate    Gate
	spacing time.Duration
}

// setGate makes the service keep the rules of the older ones, if it is one of them.
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

// do sends a call once its turn has come.
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
