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

	"github.com/text2image-audio/text2image-audio/pkg/chaos/claims"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

// client is one user: a browser with a guest's cookie, or a program without one.
type client struct {
	urls    []string
	http    *http.Client
	book    *claims.Book
	answers *tally
	cookie  string
	owner   string
}

const (
	// answerTimeout is how long a client waits for an answer beyond what it asked to wait for.
	answerTimeout = 12 * time.Second
	// maxAnswer bounds an answer.
	maxAnswer = 64 << 20
	// again is how long a client waits before it tries again.
	again = 200 * time.Millisecond
)

// newClient returns a client. With a cookie it first looks at the page, as a browser does.
func newClient(ctx context.Context, urls []string, book *claims.Book, answers *tally, browser bool) (*client, error) {
	c := &client{urls: urls, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4}}, book: book, answers: answers, owner: "guest"}
	if !browser {
		return c, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, urls[0]+"/", nil)
	if err != nil {
		return nil, fmt.Errorf("look at the page: %w", err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("look at the page: %w", err)
	}
	_ = res.Body.Close()
	for _, cookie := range res.Cookies() {
		if guest, _, ok := strings.Cut(cookie.Value, "."); ok {
			c.cookie, c.owner = cookie.Name+"="+cookie.Value, guest
		}
	}
	if c.cookie == "" {
		return nil, errors.New("look at the page: no cookie came")
	}
	return c, nil
}

// ask sends a request to one of the APIs.
func (c *client) ask(ctx context.Context, d *rand.Rand, method, path string, body []byte, header ...string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.urls[d.IntN(len(c.urls))]+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
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
		c.answers.count("lost")
		return nil, fmt.Errorf("ask: %w", err)
	}
	c.answers.count(fmt.Sprintf("%d", res.StatusCode))
	return res, nil
}

// call is ask with the whole answer, within a time.
func (c *client) call(ctx context.Context, d *rand.Rand, wait time.Duration, method, path string, body []byte, header ...string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+answerTimeout)
	defer cancel()
	res, err := c.ask(ctx, d, method, path, body, header...)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		c.answers.count("cut")
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	return res.StatusCode, data, nil
}

// see reads a job and enters it, or enters why it cannot be read.
func (c *client) see(asked time.Time, data []byte) *claims.View {
	v, err := claims.Read(data)
	if err != nil {
		c.book.Fault("%v: %.300s", err, data)
		return nil
	}
	c.book.See(asked, v)
	return v
}

// submit submits an order and returns the job, or nil when it was not accepted as far as the client knows. With a key it
// goes on until it is answered.
func (c *client) submit(ctx context.Context, d *rand.Rand, o order) *claims.View {
	header := []string{}
	if o.key != "" {
		header = append(header, "Idempotency-Key", o.key)
	}
	for ctx.Err() == nil {
		asked := time.Now()
		status, data, err := c.call(ctx, d, 0, http.MethodPost, "/api/jobs", o.body, header...)
		switch {
		case err == nil && (status == http.StatusAccepted || status == http.StatusOK):
			v, err := claims.Read(data)
			if err != nil {
				c.book.Fault("%v: %.300s", err, data)
				return nil
			}
			c.book.Accept(claims.Job{ID: v.ID, Owner: c.owner, Kind: o.kind, Name: o.name, Key: o.key, Least: o.least})
			c.book.See(asked, v)
			return v
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			c.book.Fault("submission of %s refused with %d: %.300s", o.name, status, data)
			return nil
		case o.key == "":
			return nil
		}
		lifecycle.Sleep(ctx, again)
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
