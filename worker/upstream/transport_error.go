package upstream

import (
	"context"
	"errors"
	"net"
	"net/url"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// transportError classifies an error of sending the request or reading the response. The parent is the caller's context,
// ctx the context of the call.
func transportError(parent, ctx context.Context, err error) error {
	// An error of net/http may contain the whole URL, which may contain the prompt.
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
		// The upstream malfunctioned; a retry may succeed.
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

// complete converts an error to a *fault.Error, adds the upstream and the status, and redacts it.
func (c *Caller) complete(err error, status int, redactor *redactor, amend func(*fault.Error)) *fault.Error {
	f, is := errors.AsType[*fault.Error](err)
	if !is {
		f = &fault.Error{Class: fault.Retryable, Code: job.CodeUnavailable, Err: err}
	}
	f.Upstream = c.Upstream
	if f.Status == 0 {
		f.Status = status
	}
	f.Detail = clip(redactor.clean(clip(f.Detail, 8*maxDetail)), maxDetail)
	if amend != nil {
		// amend sees the redacted detail, so that a user's text cannot influence it.
		amend(f)
		f.Detail = clip(f.Detail, maxDetail)
	}
	if f.Err != nil && f.Class != fault.Canceled {
		f.Err = &redactedError{cause: f.Err, text: clip(redactor.clean(f.Err.Error()), maxDetail)}
	}
	return f
}

// redactedError wraps an error and has a redacted message.
type redactedError struct {
	cause error
	text  string
}

func (e *redactedError) Error() string { return e.text }
func (e *redactedError) Unwrap() error { return e.cause }
