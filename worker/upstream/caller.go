package upstream

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// Caller sends requests to one upstream. It is safe for concurrent use.
type Caller struct {
	// Upstream is one of job.Upstreams.
	Upstream string
	// HTTP sends the requests. Its redirect policy is not used: a redirect is an error.
	HTTP *http.Client
	// Key is sent in the Authorization header and nowhere else; empty sends none.
	Key string
	// UserAgent identifies this program.
	UserAgent string
	// Idle is how long a body may make no progress. Default 30 s.
	Idle time.Duration
	// Budget bounds the memory of large responses together; nil is unlimited.
	Budget *Budget
	// Observe, if not nil, is called after every HTTP exchange with the status (0 without a response), the code of the
	// error (empty for none) and the duration, body included.
	Observe func(upstream string, status int, code string, took time.Duration)
}

// Request is one request to an upstream.
type Request struct {
	Method string
	URL    string
	Accept string
	// JSON is the body; nil sends none.
	JSON []byte
	// Private are the user's texts in this request; they are removed from every error.
	Private []string
	// MaxBytes bounds the body of the response.
	MaxBytes int64
	// Amend, if not nil, may change an error of this request: for an upstream to which the table does not apply, or to
	// add advice for the operator. Detail is redacted before and bounded after.
	Amend func(*fault.Error)
	// Quiet says that only calls of Response.Progress count as progress, not bytes. An event stream needs it: its
	// comments keep the connection alive while nothing happens.
	Quiet bool
}

const (
	defaultIdle = 30 * time.Second
	// maxErrorBody bounds how much of an error response is read; envelopes are far smaller.
	maxErrorBody = 64 << 10
	// errorBodyTime bounds the wait for the rest of an error response: its status is what matters.
	errorBodyTime = 5 * time.Second
)

// Do sends the request once and passes a response with status 200 to accept, which reads and checks the body. Do closes
// it.
//
// It fails with a *fault.Error. A canceled ctx is of class Canceled and wraps context.Cause; a passed deadline and an
// idle body are time-outs; any other status is classified by the table; an error of accept that is not a *fault.Error is
// classified by what happened to the body.
func (c *Caller) Do(ctx context.Context, r Request, accept func(*Response) error) error {
	begun := time.Now()
	ctx, span := telemetry.StartCall(ctx, c.Upstream, r.Method, r.URL)
	defer span.End()
	words := &redactor{key: c.Key, private: r.Private}
	status, err := c.exchange(ctx, r, accept)
	var f *fault.Error
	if err != nil {
		f = c.complete(err, status, words, r.Amend)
	}
	recordSpan(span, status, f)
	if c.Observe != nil {
		code := ""
		if f != nil {
			code = f.Code
		}
		c.Observe(c.Upstream, status, code, time.Since(begun))
	}
	if f == nil {
		return nil
	}
	return f
}

// recordSpan records the status and the error's code in a span, never the upstream's message. A canceled call is not a
// failure.
func recordSpan(span telemetry.Span, status int, f *fault.Error) {
	if status != 0 {
		span.HTTPStatus(status)
	}
	switch {
	case f == nil:
	case f.Class == fault.Canceled:
		span.ErrorCode(f.Code)
	default:
		span.Fail(f.Code)
	}
}

// exchange returns the status of the response, 0 without one, and the error.
func (c *Caller) exchange(parent context.Context, r Request, accept func(*Response) error) (int, error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	request, err := c.request(singleConnection(ctx, cancel), r)
	if err != nil {
		return 0, err
	}
	sender := *c.HTTP
	sender.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	sender.Jar = nil
	response, err := sender.Do(request) //nolint:bodyclose // The answer owns the body and closes it below.
	if err != nil {
		return 0, transportError(parent, ctx, err)
	}
	answer := c.newResponse(ctx, cancel, response, r)
	defer answer.close()
	if response.StatusCode != http.StatusOK {
		return response.StatusCode, answer.statusError(parent)
	}
	if err := accept(answer); err != nil {
		if _, is := errors.AsType[*fault.Error](err); is {
			return response.StatusCode, err
		}
		return response.StatusCode, transportError(parent, ctx, err)
	}
	return response.StatusCode, nil
}

func (c *Caller) request(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader
	if r.JSON != nil {
		body = bytes.NewReader(r.JSON)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return nil, &fault.Error{Class: fault.Permanent, Code: job.CodeRejected, Err: errors.New("request address cannot be built")}
	}
	if r.JSON != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Accept", r.Accept)
	request.Header.Set("Accept-Encoding", "identity")
	if c.UserAgent != "" {
		request.Header.Set("User-Agent", c.UserAgent)
	}
	if c.Key != "" {
		request.Header.Set("Authorization", "Bearer "+c.Key)
	}
	return request, nil
}

func (c *Caller) idle() time.Duration {
	if c.Idle > 0 {
		return c.Idle
	}
	return defaultIdle
}

// UserAgent returns the User-Agent header of a version of this program; an empty version is "dev".
func UserAgent(version string) string {
	if version == "" {
		version = "dev"
	}
	return "text2image-audio/" + version
}
