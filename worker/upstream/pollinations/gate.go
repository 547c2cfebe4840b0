package pollinations

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// Spacing returns the minimum time between the starts of two calls to a legacy service, which it requires per IP address.
func Spacing(name string) time.Duration {
	if name == job.UpstreamSpeech {
		return 30 * time.Second
	}
	return 45 * time.Second
}

// Gate allows one call to a legacy service at a time. It gets the name of the upstream and returns a function to call
// after the call. It must not wait, since its caller occupies a slot: while another call runs it fails with Busy. Any
// other error is returned as it is.
type Gate func(ctx context.Context, upstream string) (release func(), err error)

// Busy returns the error of a Gate whose caller must retry after the given time.
func Busy(name string, after time.Duration) *fault.Error {
	return &fault.Error{
		Upstream: name, Class: fault.Throttled, Code: job.CodeThrottled, RetryAfter: max(after, time.Millisecond), Err: errBusy,
	}
}

var errBusy = errors.New("the legacy service accepts one call at a time and another one is running")

// gateError returns the error of a call that the gate refused.
func gateError(ctx context.Context, err error) error {
	if f, is := errors.AsType[*fault.Error](err); is {
		return f
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return fault.NewCanceled(ctx)
	}
	return fmt.Errorf("pass the gate: %w", err)
}

// service is one of the two services.
type service struct {
	caller  upstream.Caller
	base    string
	setting string
	// kind is the one of job.Upstreams that it is. A legacy service limits the calls of an address, whatever its name here.
	kind    string
	dialect dialect
	legacy  bool
	// gate limits the calls to a legacy service; nil allows all.
	gate Gate
}

// do sends a call, through the gate for a legacy service.
func (s *service) do(ctx context.Context, c call, accept func(*upstream.Response) error) error {
	if !s.legacy {
		return s.caller.Do(ctx, c.Request, accept)
	}
	if s.gate != nil {
		release, err := s.gate(ctx, s.kind)
		if err != nil {
			return gateError(ctx, err)
		}
		if release != nil {
			defer release()
		}
	}
	amend := c.Amend
	c.Amend = func(f *fault.Error) {
		if amend != nil {
			amend(f)
		}
		// Some responses have no Retry-After, but the spacing is known.
		if f.Class == fault.Throttled && f.RetryAfter == 0 {
			f.RetryAfter = Spacing(s.kind)
		}
	}
	return s.caller.Do(ctx, c.Request, accept)
}
