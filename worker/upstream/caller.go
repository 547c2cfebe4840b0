package upstream

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
	"github.com/text2image-audio/text2image-audio/worker/fault"
)

// Caller sends requests to one upstream. It is safe for concurrent use.
type Caller struct {
	// Upstream is one of job.Upstreams.
	Upstream string
	// HTTP sends the requests. Its redirect policy and cookies are not used: a redirect is an error.
	HTTP *http.Client
	// Key, if not empty, is sent in the Authorization header and nowhere else.
	Key string
	// UserAgent identifies this program.
	UserAgent string
	// Idle is the time after which a body without progress is a time-out. Default 30 s.
	Idle time.Duration
	// Budget bounds the memory of large responses together; nil is unlimited.
	Budget *Budget
	// Observe, if not nil, is called after every call with the status (0 without a response), the code of the error
	// (empty for none) and the duration, body included.
	Observe func(upstream string, status int, code string, took time.Duration)
}

// Request is one request to an upstream.
type Request struct {
	Method string
	URL    string
	Accept string
	// JSON is the body, if not nil.
	JSON []byte
	// Private has the user's texts in this request; they are removed from every error.
	Private []string
	// MaxBytes bounds the body of the response.
	MaxBytes int64
	// Amend, if not nil, may change an error of this request: for an upstream to which the table does not apply, or to
	// add advice for the operator. Detail is redacted before and bounded after.
	Amend func(*fault.Error)
	// Quiet makes only calls of Response.Progress count as progress, not bytes. An event stream needs it, since its
	// comments keep the connection alive without progress.
	Quiet bool
}

const (
	defaultIdle = 30 * time.Second
	// maxErrorBody bounds how much of an error response is read; envelopes are far smaller.
	maxErrorBody = 64 << 10
	// errorBodyTimeout bounds the wait for the body of an error response, whose status matters more.
	errorBodyTimeout = 5 * time.Second
)

// Do sends the request once and passes a response with status 200 to accept, which reads and checks the body. Do closes
// the body.
//
// It fails with a *fault.Error: of class Canceled, with context.Cause, if ctx is canceled; with a time-out if its deadline
// passes or the body is idle; classified by the table for any other status. An error of accept that is not a *fault.Error
// is classified as an error of reading the body.
func (c *Caller) Do(ctx context.Context, r Request, accept func(*Response) error) error {
	begun := time.Now()
	ctx, span := telemetry.StartCall(ctx, c.Upstream, r.Method, r.URL)
	defer span.End()
	redactor := &redactor{key: c.Key, private: r.Private}
	status, err := c.exchange(ctx, r, accept)
	var f *fault.Error
	if err != nil {
		f = c.complete(err, status, redactor, r.Amend)
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
	// Without the client, no redirect is followed and no cookie is kept.
	resp, err := c.transport().RoundTrip(request) //nolint:bodyclose // The Response owns the body and closes it below.
	if err != nil {
		return 0, transportError(parent, ctx, err)
	}
	response := c.newResponse(ctx, cancel, resp, r)
	defer response.close()
	if resp.StatusCode != http.StatusOK {
		return resp.StatusCode, response.statusError(parent)
	}
	if err := accept(response); err != nil {
		if _, is := errors.AsType[*fault.Error](err); is {
			return resp.StatusCode, err
		}
		return resp.StatusCode, transportError(parent, ctx, err)
	}
	return resp.StatusCode, nil
}

func (c *Caller) transport() http.RoundTripper {
	if c.HTTP.Transport == nil {
		return http.DefaultTransport
	}
	return c.HTTP.Transport
}

func (c *Caller) request(ctx context.Context, r Request) (*http.Request, error) {
	var body io.Reader
	if r.JSON != nil {
		body = bytes.NewReader(r.JSON)
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, r.URL, body)
	if err != nil {
		return nil, Rejected(c.Upstream, "request URL is invalid")
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

// UserAgent returns the User-Agent header of a version of this program; an empty version is "dev".
func UserAgent(version string) string { return "text2image-audio/" + cmp.Or(version, "dev") }
