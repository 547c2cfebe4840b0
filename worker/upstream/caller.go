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

// Caller sends requests to one upstream. It may be used by many goroutines at once.
type Caller struct {
	// Upstream is one of the names of this package.
	Upstream string
	// HTTP sends the requests. Its redirect policy is not used: a redirect is an error.
	HTTP *http.Client
	// Key goes into the Authorization header and nowhere else; empty sends none.
	Key string
	// UserAgent names this program to the upstream.
	UserAgent string
	// Idle is how long a response may make no progress once its header has come. Default 30 s.
	Idle time.Duration
	// Budget bounds what large answers hold in memory together; nil means without bounds.
	Budget *Budget
	// Observe, if not nil, hears once of every HTTP exchange: the status (0 when no response came), the code of the error
	// (empty when the response was good) and how long it took, body included.
	Observe func(upstream string, status int, code string, took time.Duration)
}

// Request is one request to an upstream.
type Request struct {
	Method string
	URL    string
	Accept string
	// JSON is the body; nil sends none.
	JSON []byte
	// Private are the user's texts in this request, to be kept out of everything that is told about it.
	Private []string
	// MaxBytes bounds the response's body in bytes.
	MaxBytes int64
	// Amend, if not nil, may change an error of this request: for an upstream whose answers mean something else than the
	// table says, or to tell an operator what to do. Detail is clean when it is called, and bounded afterwards.
	Amend func(*fault.Error)
	// Quiet says that bytes alone are no progress, only what Response.Progress is called for. An event stream needs it: its
	// comments keep a connection alive while nothing happens.
	Quiet bool
}

const (
	defaultIdle = 30 * time.Second
	// maxErrorBody bounds how much of an error response is read; the envelopes are far smaller.
	maxErrorBody = 64 << 10
	// errorBodyTime bounds the wait for the rest of an error response: its status has already said the essential.
	errorBodyTime = 5 * time.Second
)

// Do sends the request once and passes a response of status 200 to accept, which reads the body and checks it. Whatever
// goes wrong comes back as a *fault.Error: our own context given up is Canceled and wraps context.Cause, its deadline passed
// or a response fallen silent is a time-out, any other status is what the table says, and an error of accept that is no
// *fault.Error is sorted by what happened to the body. The body is closed when Do returns.
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

// recordSpan shows in a trace how a request went: the code of its error and never the upstream's wording. One that we gave up
// ourselves has not failed.
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

// exchange returns the status of the response, 0 when none came, and what went wrong.
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

// UserAgent returns the name that this program gives to upstreams; a version that is not known is "dev".
func UserAgent(version string) string {
	if version == "" {
		version = "dev"
	}
	return "text2image-audio/" + version
}
