package client

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"time"
)

// Batch is a batch of jobs as the server shows it. openapi.yaml describes the fields.
type Batch struct {
	ID string `json:"id"`
	// Status is accepting, running or finished.
	Status string `json:"status"`
	// Counts has the number of jobs with each status, and with removed those that were deleted or have expired.
	Counts      map[string]int `json:"counts"`
	Total       int            `json:"total"`
	CreatedAt   time.Time      `json:"created_at"`
	FinishedAt  time.Time      `json:"finished_at,omitzero"`
	CanceledAt  time.Time      `json:"canceled_at,omitzero"`
	RetriedFrom string         `json:"retried_from,omitempty"`
}

// Ended reports whether all jobs have ended.
func (b *Batch) Ended() bool { return b.Status == "finished" }

// BatchJob is a job of a batch. Job is nil if it was removed, or is not in the queue yet.
type BatchJob struct {
	// Index is its place in the request.
	Index int    `json:"index"`
	ID    string `json:"id"`
	Job   *Job   `json:"job,omitempty"`
}

// SubmitBatch submits up to 1,000 jobs and returns their batch once the server has stored it. If the server refuses it, none is
// accepted: it fails with a *Problem, whose Lines name the invalid jobs. After another error the batch may exist.
func (c *Client) SubmitBatch(ctx context.Context, jobs []Request) (*Batch, error) {
	return c.SubmitBatchOnce(ctx, rand.Text(), jobs)
}

// SubmitBatchOnce is SubmitBatch with an idempotency key of the caller: however often it is called with the same key and jobs, also
// after a restart, there is one batch.
func (c *Client) SubmitBatchOnce(ctx context.Context, key string, jobs []Request) (*Batch, error) {
	body := struct {
		Jobs []Request `json:"jobs"`
	}{jobs}
	return c.batch(ctx, request{method: http.MethodPost, path: "/api/batches", body: body, header: http.Header{"Idempotency-Key": {key}}})
}

// Batch reads a batch.
func (c *Client) Batch(ctx context.Context, id string) (*Batch, error) {
	return c.batch(ctx, request{method: http.MethodGet, path: batchPath(id), query: url.Values{"limit": {"1"}}})
}

// WaitBatch waits until all jobs of a batch have ended. It costs one request every two seconds.
func (c *Client) WaitBatch(ctx context.Context, id string) (*Batch, error) {
	for {
		b, err := c.Batch(ctx, id)
		if err != nil || b.Ended() {
			return b, err
		}
		if err := c.sleep(ctx, batchPause); err != nil {
			return nil, err
		}
	}
}

const (
	// batchPause is the pause of WaitBatch between two requests.
	batchPause = 2 * time.Second
	// batchPage is the number of jobs per request of BatchJobs.
	batchPage = "100"
)

// BatchJobs returns the jobs of a batch in the order of the request, those with the given statuses if there are any. It reads one page
// at a time; an error is the last thing that it returns.
func (c *Client) BatchJobs(ctx context.Context, id string, statuses ...string) iter.Seq2[*BatchJob, error] {
	return pages[BatchJob](ctx, c, batchPath(id), url.Values{"limit": {batchPage}, "status": statuses})
}

// CancelBatch cancels all jobs of a batch that have not ended. Canceling it again is no error.
func (c *Client) CancelBatch(ctx context.Context, id string) (*Batch, error) {
	return c.batch(ctx, request{method: http.MethodPost, path: batchPath(id) + "/cancel"})
}

// RetryBatch submits the failed and canceled jobs of a batch as a new one, once for a key. It fails with a *Problem with the code
// not_retryable if there are none.
func (c *Client) RetryBatch(ctx context.Context, key, id string) (*Batch, error) {
	return c.batch(ctx, request{method: http.MethodPost, path: batchPath(id) + "/retry", header: http.Header{"Idempotency-Key": {key}}})
}

// DownloadBatch writes the results of a batch to w, as a ZIP file of the files of its succeeded jobs and manifest.json. It is not
// repeated once the server has begun to respond; after an error w has a part of it.
func (c *Client) DownloadBatch(ctx context.Context, id string, w io.Writer) error {
	var resp *http.Response
	err := c.retry(ctx, func() (err error) {
		resp, err = c.send(ctx, request{method: http.MethodGet, path: batchPath(id) + "/results.zip"}) //nolint:bodyclose // Closed below.
		return err
	})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	return nil
}

func batchPath(id string) string { return "/api/batches/" + url.PathEscape(id) }

func (c *Client) batch(ctx context.Context, r request) (*Batch, error) {
	var b Batch
	if err := c.call(ctx, r, &b); err != nil {
		return nil, err
	}
	return &b, nil
}
