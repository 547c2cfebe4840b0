package server

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/api/server/internal/thumbnail"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// jobHandler serves jobs and their media.
type jobHandler struct {
	*submissions
	*jobViews
	jobs   *jobs.Service
	store  *store.Store
	limits *streamLimits
	models func(context.Context) *job.Catalogue
	now    func() time.Time
	log    *slog.Logger

	thumbnails *thumbnail.Cache
}

// getJob is GET /api/jobs/:id. With wait it delays the response until the job has ended or, with If-None-Match, until the job
// has changed.
func (h *jobHandler) getJob(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	id, err := jobID(c)
	if err != nil {
		return err
	}
	wait, err := queryWait(c)
	if err != nil {
		return err
	}
	snap, err := h.readJob(c, id, wait)
	if err != nil {
		return err
	}
	if snap.Record == nil {
		c.Header("Retry-After", strconv.Itoa(h.retryAfter(snap)))
	}
	if hasCurrent(c.Request, snap) {
		c.Header("ETag", etag(snap))
		c.Header("Cache-Control", "private, no-cache")
		respond.Empty(c, http.StatusNotModified)
		return nil
	}
	return h.show(c, http.StatusOK, snap)
}

// jobID returns the id in the path, or jobs.ErrNotFound for a string that cannot be an id.
func jobID(c *gin.Context) (string, error) {
	id := c.Param("id")
	if !job.ValidToken(id) {
		return "", jobs.ErrNotFound
	}
	withJob(c, id)
	return id, nil
}

// jobAndCaller returns the id in the path and the caller.
func jobAndCaller(c *gin.Context, sessions *session.Sessions) (id string, caller session.Caller, err error) {
	if id, err = jobID(c); err != nil {
		return "", caller, err
	}
	caller, err = sessions.Caller(c)
	return id, caller, err
}

// namedCaller returns the caller, who must have an identity.
func namedCaller(c *gin.Context, sessions *session.Sessions) (session.Caller, error) {
	caller, err := sessions.Caller(c)
	if err == nil && !caller.Named() {
		err = problem.New(problem.CodeIdentity)
	}
	return caller, err
}

func (h *jobHandler) readJob(c *gin.Context, id string, wait time.Duration) (*job.Snapshot, error) {
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return nil, err
	}
	if wait > 0 {
		release, err := h.limits.reserveWait(caller)
		if err != nil {
			return nil, err
		}
		defer release()
		markLongRequest(c, telemetry.LongWait)
		changed := c.GetHeader("If-None-Match") != ""
		var snap *job.Snapshot
		err = h.sessions.Find(c.Request.Context(), caller, func(owners []string) (err error) {
			snap, err = h.await(c, owners, id, wait, func(snap *job.Snapshot) bool {
				return ended(snap) || (changed && !hasCurrent(c.Request, snap))
			})
			return err
		})
		return snap, err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	return readJob(ctx, h.sessions, h.jobs, caller, id)
}

// readJob returns a job that the caller may read.
func readJob(ctx context.Context, sessions *session.Sessions, service *jobs.Service, caller session.Caller, id string) (snap *job.Snapshot, err error) {
	err = sessions.Find(ctx, caller, func(owners []string) (err error) {
		snap, err = service.Read(ctx, owners, id)
		return err
	})
	return snap, err
}

// queryWait returns the parameter wait, in whole seconds from 0 to 60.
func queryWait(c *gin.Context) (time.Duration, error) {
	var b bind.Binder
	n := b.Number(c, "wait", 0, 0, maxWait)
	return time.Duration(n) * time.Second, b.Err()
}

// etag returns the ETag of the state of a job. It is weak: the queue position may change within a state.
func etag(snap *job.Snapshot) string { return `W/"` + snap.EventID() + `"` }

// hasCurrent reports whether If-None-Match names the current state of a job.
func hasCurrent(r *http.Request, snap *job.Snapshot) bool {
	current := strings.TrimPrefix(etag(snap), "W/")
	for tag := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		tag = strings.TrimSpace(tag)
		if tag == "*" || strings.TrimPrefix(tag, "W/") == current {
			return true
		}
	}
	return false
}

const maxRetryAfter = 10 // seconds

// retryAfter returns the number of seconds after which to poll a job again.
func (h *jobHandler) retryAfter(snap *job.Snapshot) int {
	if snap.Progress == nil || snap.Progress.NextAttemptAt == nil {
		return 1
	}
	return min(max(1, problem.Seconds(snap.Progress.NextAttemptAt.Sub(h.now()))), maxRetryAfter)
}
