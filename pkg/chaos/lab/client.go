//go:build unix

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/chaos/model"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// client is one user: a browser with a guest cookie, or a script without one.
type client struct {
	urls      []string
	http      *http.Client
	model     *model.Model
	responses *tally
	cookie    string
	owner     string
}

const (
	// responseTimeout is how long a client waits for a response, in addition to a requested wait.
	responseTimeout = 12 * time.Second
	// maxResponse bounds the size of a response.
	maxResponse = 64 << 20
	// retryDelay is the delay before a client retries.
	retryDelay = 200 * time.Millisecond
)

// newClient returns a client. A browser first requests the page, which sets its cookie.
func newClient(ctx context.Context, urls []string, m *model.Model, responses *tally, browser bool) (*client, error) {
	c := &client{urls: urls, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}, model: m, responses: responses, owner: "guest"}
	if !browser {
		return c, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, urls[0]+"/", nil)
	if err != nil {
		return nil, fmt.Errorf("get page: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("get page: %w", err)
	}
	_ = res.Body.Close()
	for _, cookie := range res.Cookies() {
		if guest, _, ok := strings.Cut(cookie.Value, "."); ok {
			c.cookie, c.owner = cookie.Name+"="+cookie.Value, guest
		}
	}
	if c.cookie == "" {
		return nil, errors.New("get page: no cookie in the response")
	}
	return c, nil
}

// send sends a request to a random API.
func (c *client) send(ctx context.Context, rng *rand.Rand, method, path string, body []byte, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.urls[rng.IntN(len(c.urls))]+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("create request: %w", err)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.cookie != "" {
		req.Header.Set("Cookie", c.cookie)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.http.Do(req)
	if err != nil {
		c.responses.count("lost")
		return nil, fmt.Errorf("send request: %w", err)
	}
	c.responses.count(fmt.Sprintf("%d", res.StatusCode))
	return res, nil
}

// call is send with a timeout; it reads the whole response.
func (c *client) call(ctx context.Context, rng *rand.Rand, wait time.Duration, method, path string, body []byte, header ...string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+responseTimeout)
	defer cancel()
	res, err := c.send(ctx, rng, method, path, body, header...)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxResponse))
	if err != nil {
		c.responses.count("cut")
		return 0, nil, fmt.Errorf("read response: %w", err)
	}
	return res.StatusCode, data, nil
}

// observe records a job in the model, or a violation if it cannot be parsed.
func (c *client) observe(requested time.Time, data []byte) *model.View {
	v, err := model.Parse(data)
	if err != nil {
		c.model.Violation("%v: %.300s", err, data)
		return nil
	}
	c.model.Observe(requested, v)
	return v
}

// submit submits an order and returns the job, or nil if the client received no acceptance. With a key it retries until
// there is a response.
func (c *client) submit(ctx context.Context, rng *rand.Rand, o order) *model.View {
	header := []string{}
	if o.key != "" {
		header = append(header, "Idempotency-Key", o.key)
	}
	for ctx.Err() == nil {
		requested := time.Now()
		status, data, err := c.call(ctx, rng, 0, http.MethodPost, "/api/jobs", o.body, header...)
		switch {
		case err == nil && (status == http.StatusAccepted || status == http.StatusOK):
			v, err := model.Parse(data)
			if err != nil {
				c.model.Violation("%v: %.300s", err, data)
				return nil
			}
			c.model.Accept(model.Job{ID: v.ID, Owner: c.owner, Kind: o.kind, Name: o.name, Key: o.key, MinCalls: o.minCalls})
			c.model.Observe(requested, v)
			return v
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			c.model.Violation("submission of %s returned %d: %.300s", o.name, status, data)
			return nil
		case o.key == "":
			return nil
		}
		lifecycle.Sleep(ctx, retryDelay)
	}
	return nil
}

// tally counts by name.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func newTally() *tally { return &tally{counts: make(map[string]int)} }

func (t *tally) count(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[name]++
}
