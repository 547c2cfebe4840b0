package server

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// submitJob is POST /api/jobs.
func (s *Server) submitJob(c *gin.Context) error {
	began := time.Now()
	respond.Vary(c, "Accept-Language", "Cookie", "Prefer")
	key, err := idempotencyKey(c.Request)
	if err != nil {
		return err
	}
	var sub submission
	b, err := bind.JSON(c, &sub)
	if err != nil {
		return err
	}
	o, err := s.order(s.deps.Models(c.Request.Context()), &sub, b)
	if err != nil {
		return err
	}
	who, err := s.sessions.Caller(c)
	if err != nil {
		return err
	}
	o.Key = key
	submitted, err := s.submit(c, who, o)
	if err != nil {
		return err
	}
	return s.answerSubmission(c, submitted, began)
}

// answerSubmission waits if the caller prefers that, and shows the job. The wait counts from when the request came.
func (s *Server) answerSubmission(c *gin.Context, submitted *jobs.Submission, began time.Time) error {
	snap := submitted.Job
	if submitted.Replayed {
		c.Header("Idempotent-Replayed", "true")
	}
	p := prefer(c.Request)
	if free, ok := s.mayWait(c, p.wait); ok {
		defer free()
		waitsLong(c, telemetry.LongWait)
		latest, err := s.await(c, []string{snap.Spec.Owner}, snap.Spec.ID, p.wait-time.Since(began), ended)
		if err == nil {
			snap = latest
		} else {
			// The job is accepted all the same, and an error would say that it is not.
			s.deps.Log.WarnContext(c.Request.Context(), "cannot wait for a new job", slog.Any("error", err))
		}
		c.Header("Preference-Applied", p.applied())
	}
	c.Header("Location", job.Path(snap.Spec.ID))
	status := http.StatusOK
	if snap.Record == nil {
		status = http.StatusAccepted
		c.Header("Retry-After", "1")
	}
	return s.showJob(c, status, snap)
}

// mayWait takes a place for a request that would wait for its new job. The job is accepted: a caller with too many waits
// is answered at once, as if it had not asked for one.
func (s *Server) mayWait(c *gin.Context, wait time.Duration) (release func(), ok bool) {
	if wait <= 0 {
		return nil, false
	}
	who, err := s.sessions.Caller(c)
	if err != nil {
		return nil, false
	}
	release, err = s.reserveWait(who)
	return release, err == nil
}

// submit makes a job of an order. When it returns without error the job is durable.
func (s *Server) submit(c *gin.Context, who session.Caller, o *jobs.Order) (*jobs.Submission, error) {
	if err := s.sessions.RequireVerified(who.Member); err != nil {
		return nil, err
	}
	id, err := s.submitter.Identify(who.Submitter(c), o)
	if err != nil {
		return nil, err
	}
	withJob(c, id)
	ctx, leave, err := s.submitting(c, who)
	if err != nil {
		return nil, err
	}
	defer leave()
	submitted, err := s.submitter.Submit(ctx, who.Submitter(c), o)
	if gone := s.submitterMustExist(c, err); gone != nil {
		return nil, gone
	}
	if err != nil {
		return nil, err
	}
	s.problems.SetUsage(c, submitted.Usage)
	if !submitted.Replayed {
		s.deps.Metrics.JobsSubmitted.WithLabelValues(string(o.Kind), string(who.Lane)).Inc()
	}
	return submitted, nil
}

// ended is what most callers wait for.
func ended(snap *job.Snapshot) bool { return snap.Record != nil }

// await returns a job as soon as done says so, or as it stands after wait or when the server begins to stop.
func (s *Server) await(c *gin.Context, owners []string, id string, wait time.Duration, done func(*job.Snapshot) bool) (*job.Snapshot, error) {
	ctx, cancel := context.WithTimeout(c.Request.Context(), wait)
	defer cancel()
	ctx, release := lifetime.UntilStop(ctx)
	defer release()
	return s.deps.Feed.Await(ctx, owners, id, done)
}

// showJob answers with a job.
func (s *Server) showJob(c *gin.Context, status int, snap *job.Snapshot) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	view := problem.Translate(s.deps.Feed.View(ctx, snap), problem.Lang(c))
	c.Header("ETag", etag(snap))
	c.Header("Cache-Control", "private, no-cache")
	respond.JSON(c, status, view)
	return nil
}

// withJob puts a job's id on every further log line of the request.
func withJob(c *gin.Context, id string) {
	c.Request = c.Request.WithContext(telemetry.WithJobID(c.Request.Context(), id))
}
