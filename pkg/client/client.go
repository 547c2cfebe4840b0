// Package client calls the API of Text2Image Audio: it submits jobs, follows them to their end and downloads the results.
//
// Every call is repeated when that is safe: after a broken connection, and when the server asks to come back later. A
// submission has an idempotency key, so that repeating it never makes a second job.
package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// longPoll is the time for which the server is asked to delay a response until the job ends.
const longPoll = 30 * time.Second

// Config says how to reach an API.
type Config struct {
	// URL is the root of the API, such as https://example.org.
	URL string
	// Key is an API key or the token of a member, sent as a bearer token. Without it, jobs can be followed only by their IDs.
	Key string
	// HTTP sends the requests; http.DefaultClient if nil. It must have no timeout, since streams take as long as their jobs.
	HTTP *http.Client
	// Attempts bounds how often a request is sent; 5 if 0.
	Attempts int
	// MaxDelay is the longest time that the client waits between attempts; a minute if 0. If the server asks for more, the call
	// fails with its Problem.
	MaxDelay time.Duration
}

// Client calls an API. Its methods may be called concurrently.
type Client struct {
	base     *url.URL
	key      string
	http     *http.Client
	attempts int
	maxDelay time.Duration
	sleep    func(context.Context, time.Duration) error
}

// New returns a client. It fails if the URL is invalid; it sends nothing.
func New(cfg Config) (*Client, error) {
	base, err := url.Parse(cfg.URL)
	if err != nil || (base.Scheme != "http" && base.Scheme != "https") || base.Host == "" {
		return nil, errors.New("the URL must be one such as https://example.org")
	}
	if strings.ContainsFunc(cfg.Key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the key must be of visible ASCII characters")
	}
	c := &Client{
		base: base, key: cfg.Key, http: cfg.HTTP, attempts: cmp.Or(cfg.Attempts, 5), maxDelay: cmp.Or(cfg.MaxDelay, time.Minute), sleep: sleep,
	}
	if c.http == nil {
		c.http = http.DefaultClient
	}
	return c, nil
}

// Submit submits a job and returns it once the server has stored it. It fails with a *Problem if the server refuses it. After
// another error the job may exist.
func (c *Client) Submit(ctx context.Context, r Request) (*Job, error) {
	return c.SubmitOnce(ctx, rand.Text(), r)
}

// SubmitOnce is Submit with an idempotency key of the caller: however often it is called with the same key and request, also
// after a restart, there is one job.
func (c *Client) SubmitOnce(ctx context.Context, key string, r Request) (*Job, error) {
	return c.job(ctx, request{method: http.MethodPost, path: "/api/jobs", body: r, header: http.Header{"Idempotency-Key": {key}}})
}

// Get reads a job.
func (c *Client) Get(ctx context.Context, id string) (*Job, error) {
	return c.job(ctx, request{method: http.MethodGet, path: jobPath(id)})
}

// Wait waits until a job has ended and returns it; Job.Err says whether it succeeded. It costs one request every 30 seconds.
func (c *Client) Wait(ctx context.Context, id string) (*Job, error) {
	wait := url.Values{"wait": {strconv.Itoa(int(longPoll.Seconds()))}}
	for {
		began := time.Now()
		j, err := c.job(ctx, request{method: http.MethodGet, path: jobPath(id), query: wait})
		if err != nil || j.Ended() {
			return j, err
		}
		// A server that stops responds at once.
		if time.Since(began) < time.Second {
			if err := c.sleep(ctx, time.Second); err != nil {
				return nil, err
			}
		}
	}
}

// Cancel cancels a job and returns it. Canceling a canceled job is no error; for a job that has ended otherwise the error is a
// *Problem with the code already_finished and the job.
func (c *Client) Cancel(ctx context.Context, id string) (*Job, error) {
	return c.job(ctx, request{method: http.MethodPost, path: jobPath(id) + "/cancel"})
}

// ListOptions selects jobs. Its zero value selects all.
type ListOptions struct {
	// Kinds and Statuses, unless empty, select jobs of these kinds and in these states.
	Kinds    []string
	Statuses []string
	// Tags, unless empty, selects jobs that have all of these tags.
	Tags []string
	// Text, unless empty, selects jobs whose prompt or text contains it.
	Text string
	// CreatedAfter and CreatedBefore, unless zero, select jobs that were submitted after and before them.
	CreatedAfter, CreatedBefore time.Time
	// PageSize is the number of jobs per request, at most 100; 20 if 0.
	PageSize int
}

func (o ListOptions) query() url.Values {
	query := url.Values{"limit": {strconv.Itoa(cmp.Or(o.PageSize, 20))}}
	for name, value := range map[string]string{
		"kind": strings.Join(o.Kinds, ","), "status": strings.Join(o.Statuses, ","), "q": o.Text,
		"created_after": formatTime(o.CreatedAfter), "created_before": formatTime(o.CreatedBefore),
	} {
		if value != "" {
			query.Set(name, value)
		}
	}
	if len(o.Tags) > 0 {
		query["tag"] = o.Tags
	}
	return query
}

// formatTime returns a time as in requests, or "" if it is zero.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// List returns the jobs of the caller, newest first. It reads one page at a time, as the caller goes on; an error is the last
// thing that it returns.
func (c *Client) List(ctx context.Context, o ListOptions) iter.Seq2[*Job, error] {
	return pages[Job](ctx, c, "/api/jobs", o.query())
}

// pages returns the jobs of a list and of the pages that follow it.
func pages[T any](ctx context.Context, c *Client, path string, first url.Values) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		query := maps.Clone(first)
		for {
			var page struct {
				Jobs   []*T   `json:"jobs"`
				Cursor string `json:"next_cursor"`
			}
			if err := c.call(ctx, request{method: http.MethodGet, path: path, query: query}, &page); err != nil {
				yield(nil, err)
				return
			}
			for _, j := range page.Jobs {
				if !yield(j, nil) {
					return
				}
			}
			if page.Cursor == "" {
				return
			}
			query.Set("cursor", page.Cursor)
		}
	}
}

func jobPath(id string) string { return "/api/jobs/" + url.PathEscape(id) }

func (c *Client) job(ctx context.Context, r request) (*Job, error) {
	var j Job
	if err := c.call(ctx, r, &j); err != nil {
		return nil, err
	}
	return &j, nil
}
