package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/ratelimit"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/batch"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// batchHandler serves batches of jobs.
type batchHandler struct {
	*jobHandler
	batches *batch.Service
	events  *eventHandler
	// bodies bounds the bodies that are in memory at once, and zips the ZIP files that are being sent.
	bodies, zips ratelimit.Concurrency
}

// batchStatus summarizes the states of the jobs of a batch.
type batchStatus string

const (
	batchAccepting batchStatus = "accepting"
	batchRunning   batchStatus = "running"
	batchFinished  batchStatus = "finished"
)

// statusRemoved is counted for jobs that were deleted or have expired.
const statusRemoved job.Status = "removed"

// batchView is a batch as the API shows it.
type batchView struct {
	ID          string             `json:"id"`
	Status      batchStatus        `json:"status"`
	Counts      map[job.Status]int `json:"counts"`
	Total       int                `json:"total"`
	CreatedAt   job.Time           `json:"created_at"`
	FinishedAt  *job.Time          `json:"finished_at,omitempty"`
	CanceledAt  *job.Time          `json:"canceled_at,omitempty"`
	RetriedFrom string             `json:"retried_from,omitempty"`
	Links       batchLinks         `json:"links"`
}

// batchLinks are the URLs of a batch, relative to the server's root.
type batchLinks struct {
	Self    string `json:"self"`
	Cancel  string `json:"cancel"`
	Retry   string `json:"retry"`
	Results string `json:"results"`
	Events  string `json:"events"`
}

// batchJob is a job in a batch; Job is nil if it was removed, or is not in the queue yet.
type batchJob struct {
	Index int          `json:"index"`
	ID    string       `json:"id"`
	Job   *jobview.Job `json:"job,omitempty"`
}

func batchPath(id string) string { return "/api/batches/" + id }

// headOf returns the view of a batch without its counts.
func headOf(b *batch.Batch) batchView {
	self := batchPath(b.ID)
	return batchView{
		ID: b.ID, Total: b.Jobs, CreatedAt: b.CreatedAt, CanceledAt: b.CanceledAt, RetriedFrom: b.RetriedFrom,
		Links: batchLinks{Self: self, Cancel: self + "/cancel", Retry: self + "/retry", Results: self + "/results.zip", Events: self + "/events"},
	}
}

// noCounts returns counts in which every status is present.
func noCounts() map[job.Status]int {
	counts := map[job.Status]int{statusRemoved: 0}
	for _, status := range job.Statuses() {
		counts[status] = 0
	}
	return counts
}

// newView returns the view of a batch that was accepted just now, whatever has become of its jobs since.
func newView(b *batch.Batch) batchView {
	v := headOf(b)
	v.Counts, v.Status = noCounts(), batchRunning
	v.Counts[job.StatusQueued] = v.Total
	if b.State == batch.StateAccepting {
		v.Status = batchAccepting
	}
	return v
}

// viewOf returns the view of a batch whose existing jobs are given.
func viewOf(b *batch.Batch, found map[string]*job.Snapshot) batchView {
	v := headOf(b)
	v.Counts, v.Status = noCounts(), batchFinished
	for _, id := range b.JobIDs() {
		snap := found[id]
		status := statusIn(b, snap)
		v.Counts[status]++
		switch {
		case snap != nil && snap.Record != nil:
			if end := snap.Record.FinishedAt; v.FinishedAt == nil || end.After(v.FinishedAt.Time) {
				v.FinishedAt = &end
			}
		case status != statusRemoved:
			v.Status = batchRunning
		}
	}
	if b.State == batch.StateAccepting {
		v.Status = batchAccepting
	}
	if v.Status != batchFinished {
		v.FinishedAt = nil
	}
	return v
}

// statusIn returns the status of a job in a batch; snap is nil if there is no such job.
func statusIn(b *batch.Batch, snap *job.Snapshot) job.Status {
	switch {
	case snap != nil:
		return snap.Status()
	case b.State == batch.StateAccepting:
		return job.StatusQueued // It will be.
	}
	return statusRemoved
}

// findBatch calls find with the owners whose batches the caller may read and the id in the path.
func (h *batchHandler) findBatch(ctx context.Context, c *gin.Context, find func(owners []string, id string) error) error {
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	err = h.sessions.Find(ctx, caller, func(owners []string) error { return find(owners, c.Param("id")) })
	if errors.Is(err, batch.ErrNotFound) {
		return problem.Because(problem.CodeNotFound, "batch")
	}
	return err
}

// batchOf returns the batch in the path if the caller may read it.
func (h *batchHandler) batchOf(ctx context.Context, c *gin.Context) (b *batch.Batch, err error) {
	err = h.findBatch(ctx, c, func(owners []string, id string) (err error) {
		b, err = h.batches.Get(ctx, owners, id)
		return err
	})
	return b, err
}

// getBatch is GET /api/batches/:id: the counts, and the jobs by page, in the order of the request.
func (h *batchHandler) getBatch(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	var binder bind.Binder
	limit := binder.Number(c, "limit", defaultLimit, 1, maxLimit)
	statuses := bind.List(&binder, c, "status", append(job.Statuses(), statusRemoved))
	if err := binder.Err(); err != nil {
		return err
	}
	from, err := batchOffset(c.Query("cursor"))
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	b, err := h.batchOf(ctx, c)
	if err != nil {
		return err
	}
	found, err := h.batches.Jobs(ctx, b)
	if err != nil {
		return err
	}
	reply := struct {
		batchView
		Jobs []batchJob `json:"jobs"`
		Next string     `json:"next_cursor,omitempty"`
	}{batchView: viewOf(b, found), Jobs: []batchJob{}}
	for i, id := range b.JobIDs() {
		snap := found[id]
		if i < from || (len(statuses) > 0 && !slices.Contains(statuses, statusIn(b, snap))) {
			continue
		}
		if len(reply.Jobs) == limit {
			reply.Next = encodeCursor(cursorBatchJobs, strconv.Itoa(i))
			break
		}
		j := batchJob{Index: i, ID: id}
		if snap != nil {
			j.Job = problem.Translate(h.feed.Show(snap), problem.Lang(c))
		}
		reply.Jobs = append(reply.Jobs, j)
	}
	if reply.Status != batchFinished {
		c.Header("Retry-After", "1")
	}
	c.Header("Cache-Control", "private, no-cache")
	respond.JSON(c, http.StatusOK, reply)
	return nil
}

// batchOffset returns the index of the job with which a page begins.
func batchOffset(cursor string) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	if parts, ok := decodeCursor(cursorBatchJobs, cursor, 1); ok {
		if i, err := strconv.Atoi(parts[0]); err == nil && i >= 0 && i < batch.MaxJobs {
			return i, nil
		}
	}
	return 0, problem.New(problem.CodeInvalidCursor)
}

// listBatches is GET /api/batches. It lists the batches of the caller, newest first, without their counts.
func (h *batchHandler) listBatches(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	caller, err := namedCaller(c, h.sessions)
	if err != nil {
		return err
	}
	var binder bind.Binder
	limit := binder.Number(c, "limit", defaultLimit, 1, maxLimit)
	if err := binder.Err(); err != nil {
		return err
	}
	var after batch.Position
	if text := c.Query("cursor"); text != "" {
		parts, ok := decodeCursor(cursorBatches, text, 2)
		ms, err := strconv.ParseInt(slices.Concat(parts, []string{""})[0], 10, 64)
		if !ok || err != nil || !job.ValidToken(parts[1]) {
			return problem.New(problem.CodeInvalidCursor)
		}
		after = batch.Position{CreatedAt: time.UnixMilli(ms).UTC(), ID: parts[1]}
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	owners, err := h.sessions.Works(ctx, caller)
	if err != nil {
		return err
	}
	list, more, err := h.batches.List(ctx, owners, after, limit)
	if err != nil {
		return err
	}
	reply := struct {
		Batches []batchSummary `json:"batches"`
		Next    string         `json:"next_cursor,omitempty"`
	}{Batches: make([]batchSummary, len(list))}
	for i, b := range list {
		reply.Batches[i] = summaryOf(b)
	}
	if more {
		last := list[len(list)-1]
		reply.Next = encodeCursor(cursorBatches, strconv.FormatInt(last.CreatedAt.UnixMilli(), 10), last.ID)
	}
	c.Header("Cache-Control", "private, no-cache")
	respond.JSON(c, http.StatusOK, reply)
	return nil
}

// batchSummary is a batch in a list. Counting its jobs would cost as much as reading them all.
type batchSummary struct {
	ID          string     `json:"id"`
	Total       int        `json:"total"`
	CreatedAt   job.Time   `json:"created_at"`
	CanceledAt  *job.Time  `json:"canceled_at,omitempty"`
	RetriedFrom string     `json:"retried_from,omitempty"`
	Links       batchLinks `json:"links"`
}

func summaryOf(b *batch.Batch) batchSummary {
	v := headOf(b)
	return batchSummary{v.ID, v.Total, v.CreatedAt, v.CanceledAt, v.RetriedFrom, v.Links}
}

// cancelBatch is POST /api/batches/:id/cancel. Canceling again is not an error.
func (h *batchHandler) cancelBatch(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	// Canceling very many jobs may take longer than a request should; it goes on in the background then.
	bounded, release := context.WithTimeout(ctx, lifetime.OperationTimeout/2)
	defer release()
	var b *batch.Batch
	err := h.findBatch(ctx, c, func(owners []string, id string) (err error) {
		b, err = h.batches.Cancel(bounded, owners, id)
		return err
	})
	if err != nil {
		return err
	}
	return h.respondBatch(ctx, c, http.StatusOK, b)
}

// respondBatch responds with a batch and its counts.
func (h *batchHandler) respondBatch(ctx context.Context, c *gin.Context, status int, b *batch.Batch) error {
	found, err := h.batches.Jobs(ctx, b)
	if err != nil {
		return err
	}
	h.showBatch(c, status, viewOf(b, found))
	return nil
}

func (h *batchHandler) showBatch(c *gin.Context, status int, v batchView) {
	if v.Status != batchFinished {
		c.Header("Retry-After", "1")
	}
	c.Header("Cache-Control", "private, no-cache")
	respond.JSON(c, status, v)
}
