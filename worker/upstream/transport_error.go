package upstream

import (
	"context"
	"errors"
	"net"
	"net/url"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// transportError classifies an error of the exchange itself. The parent is the caller's context, ctx that of the call.
func transportError(parent, ctx context.Context, err error) error {
	// An error of net/http may carry the whole URL, and with it the prompt.
	if wrapped, is := errors.AsType[*url.Error](err); is {
		err = wrapped.Err
	}
	switch {
	case errors.Is(parent.Err(), context.Canceled):
		return fault.NewCanceled(parent)
	case parent.Err() != nil:
		return &fault.Error{Class: fault.Retryable, Code: job.CodeTimeout, Err: deadline(parent)}
	case errors.Is(err, errTooLong):
		// The same request would get the same response.
		return &fault.Error{Class: fault.Permanent, Code: job.CodeTooLarge, Err: errTooLong}
	case errors.Is(err, errEndless):
		// The upstream malfunctioned; the next response may well end.
		return &fault.Error{Class: fault.Retryable, Code: job.CodeInvalidAnswer, Err: errEndless}
	case errors.Is(context.Cause(ctx), errIdle):
		return &fault.Error{Class: fault.Retryable, Code: job.CodeTimeout, Err: errIdle}
	case errors.Is(err, errShort):
		return &fault.Error{Class: fault.Retryable, Code: job.CodeInvalidAnswer, Err: errShort}
	case errors.Is(context.Cause(ctx), errDropped):
		return &fault.Error{Class: fault.Retryable, Code: job.CodeUnavailable, Err: errDropped}
	case timedOut(err):
		return &fault.Error{Class: fault.Retryable, Code: job.CodeTimeout, Err: err}
	}
	return &fault.Error{Class: fault.Retryable, Code: job.CodeUnavailable, Err: err}
}

// deadline returns the cause of a context whose deadline has passed, joined with context.DeadlineExceeded if it does not
// wrap that.
func deadline(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.DeadlineExceeded) {
		return cause
	}
	return errors.Join(context.DeadlineExceeded, cause)
}

func timedOut(err error) bool {
	if errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	failure, is := errors.AsType[net.Error](err)
	return is && failure.Timeout()
}

// complete adds the name of the upstream and the status to an error, and redacts it.
func (c *Caller) complete(err error, status int, words *redactor, amend func(*fault.Error)) *fault.Error {
	f, is := errors.AsType[*fault.Error](err)
	if !is {
		f = &fault.Error{Class: fault.Retryable, Code: job.CodeUnavailable, Err: err}
	}
	f.Upstream = c.Upstream
	if f.Status == 0 {
		f.Status = status
	}
	f.Detail = clip(words.clean(clip(f.Detail, 8*maxDetail)), maxDetail)
	if amend != nil {
		// It sees the redacted detail, so that a user's text cannot influence it.
		amend(f)
		f.Detail = clip(f.Detail, maxDetail)
	}
	if f.Err != nil && f.Class != fault.Canceled {
		f.Err = &cleaned{cause: f.Err, text: clip(words.clean(f.Err.Error()), maxDetail)}
	}
	return f
}

// cleaned is an error with a redacted message that still wraps its cause.
type cleaned struct {
	cause error
	text  string
}

func (e *cleaned) Error() string { return e.text }
func (e *cleaned) Unwrap() error { return e.cause }
