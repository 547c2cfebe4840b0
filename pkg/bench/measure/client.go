//go:build linux

package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxErrorText is how much of an unexpected response is reported.
const maxErrorText = 300

// client sends requests over a fixed number of connections.
type client struct {
	base string
	http *http.Client
}

func newClient(base string) *client {
	return &client{base: base, http: &http.Client{Transport: &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, MaxConnsPerHost: connections, DisableCompression: true,
	}}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// send sends a request and copies the body of the response to into. It fails when the status is not want.
func (c *client) send(ctx context.Context, method, path, token string, body []byte, want int, into io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("create request: %w", err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != want {
		text, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorText))
		return fmt.Errorf("%s %s: status %d: %s", method, path, res.StatusCode, text)
	}
	if _, err := io.Copy(into, res.Body); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

// view is what the benchmark reads of a job.
type view struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Error  *struct {
		Code string `json:"code"`
	} `json:"error"`
}

const succeeded = "succeeded"

// job sends a request whose response is a job.
func (c *client) job(ctx context.Context, method, path, token string, body []byte, want int) (*view, error) {
	var data bytes.Buffer
	if err := c.send(ctx, method, path, token, body, want, &data); err != nil {
		return nil, err
	}
	var v view
	if err := json.Unmarshal(data.Bytes(), &v); err != nil {
		return nil, fmt.Errorf("%s %s: decode response: %w", method, path, err)
	}
	return &v, nil
}

// accepted is a job that was accepted, and the token of its owner.
type accepted struct{ id, token string }

// submit submits an image job.
func (c *client) submit(ctx context.Context, n int, token string) (accepted, error) {
	v, err := c.job(ctx, http.MethodPost, "/api/jobs", token, submission(n), http.StatusAccepted)
	if err != nil {
		return accepted{}, err
	}
	return accepted{id: v.ID, token: token}, nil
}

// submission is the body of a request for an image.
func submission(n int) []byte {
	return fmt.Appendf(nil, `{"kind":"image","input":{"prompt":"job %d","width":64,"height":64}}`, n)
}

// verify checks that every accepted job has ended well and that its image has the right size.
func (c *client) verify(ctx context.Context, jobs []accepted, size int) error {
	seen := make(map[string]bool, len(jobs))
	for _, j := range jobs {
		if j.id == "" || seen[j.id] {
			return fmt.Errorf("job %q was accepted twice", j.id)
		}
		seen[j.id] = true
	}
	return parallel(ctx, connections, len(jobs), func(ctx context.Context, i int) error {
		j := jobs[i]
		v, err := c.job(ctx, http.MethodGet, "/api/jobs/"+j.id, j.token, nil, http.StatusOK)
		if err != nil {
			return err
		}
		if v.Status != succeeded {
			return fmt.Errorf("job %s has the status %s: %+v", j.id, v.Status, v.Error)
		}
		var length counter
		if err := c.send(ctx, http.MethodGet, "/api/jobs/"+j.id+"/media/0", j.token, nil, http.StatusOK, &length); err != nil {
			return err
		}
		if int(length) != size {
			return fmt.Errorf("the image of job %s has %d bytes, not %d", j.id, length, size)
		}
		return nil
	})
}

// counter counts the bytes written to it.
type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// parallel calls do for every i below n, from several goroutines, until one fails.
func parallel(ctx context.Context, workers, n int, do func(ctx context.Context, i int) error) error {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range workers {
		g.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				if err := context.Cause(ctx); err != nil {
					return err
				}
				if err := do(ctx, i); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// rate calls do from all connections for a while and returns the calls per second.
func rate(ctx context.Context, d time.Duration, do func(ctx context.Context, i int) error) (float64, error) {
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	began := time.Now()
	for range connections {
		g.Go(func() error {
			// At least one call each, however slow.
			for first := true; first || time.Since(began) < d; first = false {
				if err := do(ctx, int(next.Add(1))-1); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	return float64(next.Load()) / time.Since(began).Seconds(), nil
}
