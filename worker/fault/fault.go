// Package fault defines the classified error of a call to an upstream. The upstream clients create it, and the processor
// decides by its Class what happens to the job. It is a package of its own because the processor must not import a
// client.
package fault

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Class is the class of an Error, which decides how it is handled.
type Class string

// The classes.
const (
	// Retryable means that the same request may succeed a little later.
	Retryable Class = "retryable"
	// Throttled means that the upstream asks for fewer requests. It does not count as a failure of the job.
	Throttled Class = "throttled"
	// Permanent means that this request will never succeed.
	Permanent Class = "permanent"
	// Moderated means that the upstream refuses the text of this request.
	Moderated Class = "moderated"
	// Misconfigured means that no request will succeed until an operator changes the key, the balance or the settings.
	Misconfigured Class = "misconfigured"
	// Canceled means that the context of the call was canceled.
	Canceled Class = "canceled"
)

// Final reports whether the same request can never succeed.
func (c Class) Final() bool { return c == Permanent || c == Moderated }

// CodeCanceled is the Code of class Canceled. The other codes are those of package job, which API clients see.
const CodeCanceled = "canceled"

// Error is a failed call to an upstream.
type Error struct {
	// Upstream is one of job.Upstreams.
	Upstream string
	Class    Class
	// Code is CodeCanceled or a code of package job.
	Code string
	// Status is the HTTP status; 0 without a response. For an error that was sent with status 200 it is the status that
	// the response claims.
	Status int
	// RetryAfter is the wait that the upstream asked for, at most a day; 0 if it asked for none.
	RetryAfter time.Duration
	// Others is set if other requests may succeed at once although this one must wait or fail, since only some of the
	// providers of an upstream cannot serve.
	Others bool
	// RequestID is the upstream's ID of the request, for its support.
	RequestID string
	// Detail is for operators: at most 2 KB of the upstream's message, without keys, URLs and the user's text.
	Detail string
	// Err is the cause, for errors.Is.
	Err error
}

// Error returns the upstream, the code, the status and the cause, without Detail, which quotes the upstream.
func (e *Error) Error() string {
	var text strings.Builder
	text.WriteString(e.Upstream)
	if e.Upstream != "" {
		text.WriteString(": ")
	}
	text.WriteString(e.Code)
	if e.Status != 0 {
		fmt.Fprintf(&text, " (status %d)", e.Status)
	}
	if e.Err != nil {
		text.WriteString(": " + e.Err.Error())
	}
	return text.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// NewCanceled returns the Error of a call whose context was canceled.
func NewCanceled(ctx context.Context) *Error {
	return &Error{Class: Canceled, Code: CodeCanceled, Err: context.Cause(ctx)}
}
