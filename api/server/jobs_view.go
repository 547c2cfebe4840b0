package server

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// jobViews waits for jobs and responds with them.
type jobViews struct{ feed *feed.Feed }

// ended reports whether a job has ended.
func ended(snap *job.Snapshot) bool { return snap.Record != nil }

// await returns a job as soon as done returns true for it, or its state after wait or when the server begins to stop.
func (v *jobViews) await(c *gin.Context, owners []string, id string, wait time.Duration, done func(*job.Snapshot) bool) (*job.Snapshot, error) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), wait)
	defer cancel()
	ctx, release := lifetime.UntilStop(ctx)
	defer release()
	return v.feed.Await(ctx, owners, id, done)
}

// show responds with a job.
func (v *jobViews) show(c *gin.Context, status int, snap *job.Snapshot) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	return respondJob(c, status, snap, v.feed.View(ctx, snap))
}

// showSubmitted responds with a job that was just submitted. Its position in the queue is left out: it would cost each
// submission requests that count the queue.
func (v *jobViews) showSubmitted(c *gin.Context, status int, snap *job.Snapshot) error {
	return respondJob(c, status, snap, v.feed.Show(snap))
}

func respondJob(c *gin.Context, status int, snap *job.Snapshot, view *jobview.Job) error {
	c.Header("ETag", etag(snap))
	c.Header("Cache-Control", "private, no-cache")
	respond.JSON(c, status, problem.Translate(view, problem.Lang(c)))
	return nil
}

// withJob adds the id of a job to the log lines of the request.
func withJob(c *gin.Context, id string) {
	c.Request = c.Request.WithContext(telemetry.WithJobID(c.Request.Context(), id))
}
