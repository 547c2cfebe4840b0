package upstream

import (
	"context"
	"errors"
	"net"
	"net/url"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// transportError sorts an error of the exchange itself, as opposed to a response that says no. The parent is the caller's context,
// ctx the attempt's own.
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
		// The same request brings the same response, whose length was known beforehand, so there is nothing to gain from asking again.
		return &fault.Error{Class: fault.Permanent, Code: job.CodeTooLarge, Err: errTooLong}
	case errors.Is(err, errEndless):
		// Nobody means to send this: the upstream lost its way, and the next response may well have an end.
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

// deadline returns the cause of a context whose time has passed, in a way that errors.Is finds context.DeadlineExceeded.
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

// complete completes what exchange returned: the upstream's name, the status, and clean words.
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
		// It sees clean words, so that no text of a user's can sway it.
		amend(f)
		f.Detail = clip(f.Detail, maxDetail)
	}
	if f.Err != nil && f.Class != fault.Canceled {
		f.Err = &cleaned{cause: f.Err, text: clip(words.clean(f.Err.Error()), maxDetail)}
	}
	return f
}

// cleaned is an error whose words are safe to tell, while errors.Is still finds the cause.
type cleaned struct {
	cause error
	text  string
}

func (e *cleaned) Error() string { return e.text }
func (e *cleaned) Unwrap() error { return e.cause }
