package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// firstDelay is the delay before the second attempt if the server does not name one; each further one is twice as long.
	firstDelay = 500 * time.Millisecond
	// maxResponse bounds the size of a response that is kept in memory.
	maxResponse = 16 << 20
)

// Problem is a refusal of the server (RFC 9457).
type Problem struct {
	Status int `json:"status"`
	// Code is the stable name of the problem; empty if the response is not one of the API, such as the page of a proxy.
	Code   string `json:"code"`
	Detail string `json:"detail"`
	// Fields are the invalid fields of the request.
	Fields []struct {
		Pointer string `json:"pointer"`
		Code    string `json:"code"`
		Detail  string `json:"detail"`
	} `json:"errors"`
	// Lines are the invalid jobs of a batch.
	Lines []struct {
		// Index is the place of the job in the request.
		Index  int    `json:"index"`
		Code   string `json:"code"`
		Detail string `json:"detail"`
	} `json:"lines"`
	RequestID string `json:"request_id"`
	// Job is the state of the job with the code already_finished.
	Job *Job `json:"job"`
	// RetryAfter is when the server wants the request to be repeated at the earliest, from now; 0 if it does not say.
	RetryAfter time.Duration `json:"-"`
}

// Error returns the sentence of the server and its code.
func (p *Problem) Error() string {
	if p.Code == "" {
		return fmt.Sprintf("the server responded with status %d", p.Status)
	}
	return p.Detail + " (" + p.Code + ")"
}

// temporary reports whether the same request may succeed soon. 402 is not: the quota of the day is used up.
func (p *Problem) temporary() bool {
	return slices.Contains([]int{
		http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}, p.Status)
}

// request is a request that may be repeated.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	// body is encoded as JSON, unless it is a []byte.
	body any
}

// call sends a request, repeats it if necessary, and decodes the response.
func (c *Client) call(ctx context.Context, r request, into any) error {
	return c.retry(ctx, func() error {
		resp, err := c.send(ctx, r)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		data, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
		if err != nil {
			return &brokenError{fmt.Errorf("read response: %w", err)}
		}
		if err := json.Unmarshal(data, into); err != nil {
			return fmt.Errorf("decode response: %w", err)
		}
		return nil
	})
}

// send sends a request once. An error response is a *Problem, and an error of the connection a *brokenError.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader
	contentType := "application/json"
	if raw, ok := r.body.([]byte); ok {
		body, contentType = bytes.NewReader(raw), http.DetectContentType(raw)
	} else if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(encoded)
	}
	u := *c.base
	u.Path, u.RawPath, u.RawQuery = strings.TrimRight(u.Path, "/")+r.path, "", r.query.Encode()
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return nil, fmt.Errorf("create request: %w", err)
	}
	maps.Copy(req.Header, r.header)
	if c.key != "" {
		req.Header.Set("Authorization", "Bearer "+c.key)
	}
	if body != nil {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s %s: %w", r.method, r.path, ctx.Err())
		}
		return nil, &brokenError{err}
	}
	if resp.StatusCode < http.StatusBadRequest {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	p := &Problem{}
	data, _ := io.ReadAll(io.LimitReader(resp.Body, maxResponse)) // Without a body, the status says enough.
	_ = json.Unmarshal(data, p)
	p.Status = resp.StatusCode
	if p.Detail == "" {
		// The routes of accounts have another format.
		var account struct{ Error string }
		_ = json.Unmarshal(data, &account)
		p.Detail = account.Error
	}
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds > 0 {
		p.RetryAfter = time.Duration(seconds) * time.Second
	}
	return nil, p
}

// brokenError is an error of the connection: the server may or may not have received the request.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }

func (e *brokenError) Unwrap() error { return e.err }

// retry repeats an attempt after errors that may pass.
func (c *Client) retry(ctx context.Context, attempt func() error) error {
	for n := 1; ; n++ {
		err := attempt()
		if err == nil || ctx.Err() != nil {
			return err
		}
		delay, again := c.delay(n, err)
		if !again || n >= c.attempts {
			return err
		}
		if c.sleep(ctx, delay) != nil {
			return err
		}
	}
}

// delay returns how long to wait after a failure before the next attempt, and whether there should be one.
func (c *Client) delay(failures int, err error) (time.Duration, bool) {
	delay := min(firstDelay<<min(failures-1, 10), c.maxDelay)
	// Clients that failed together must not come back together.
	delay = delay/2 + rand.N(delay/2+1) //nolint:gosec // It is no secret.
	var p *Problem
	var broken *brokenError
	switch {
	case errors.As(err, &broken):
		return delay, true
	case errors.As(err, &p):
		return max(delay, p.RetryAfter), p.temporary() && p.RetryAfter <= c.maxDelay
	}
	return 0, false
}

// sleep waits, and returns the error of the context if that ends before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
