package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// withdrawTimeout bounds what is done for a caller that has gone away.
const withdrawTimeout = 5 * time.Second

const (
	retryThrottled = 30
	// retryStillRunning is when to ask for a job that took longer than its caller could be kept waiting.
	retryStillRunning = 5
)

// errAnswered says that the caller got all it asked for already.
var errAnswered = errors.New("answered")

// originalHandler serves the routes of the original, which wait for their job.
type originalHandler struct {
	*submissions
	*jobViews
	jobs      *jobs.Service
	store     *store.Store
	models    func(context.Context) *job.Catalogue
	catalogue *job.Catalogue
	// syncWait is how long a route waits for its job.
	syncWait time.Duration
	log      *slog.Logger
}

// work submits a job for one of the original's routes and waits until it has ended well. Any other end is a *problem.Problem; the
// job goes on when the wait is over first. With Prefer: respond-async it answers at once and returns errAnswered.
func (h *originalHandler) work(c *gin.Context, o *jobs.Order) (*job.Record, error) {
	began := time.Now()
	respond.Vary(c, "Accept-Language", "Cookie", "Prefer")
	who, err := h.sessions.Caller(c)
	if err != nil {
		return nil, err
	}
	submitted, err := h.submit(c, who, o)
	if err != nil {
		return nil, err
	}
	snap := submitted.Job
	id := snap.Spec.ID
	c.Header("X-Job-Id", id)
	c.Header("Location", job.Path(id))
	if prefer(c.Request).async {
		c.Header("Preference-Applied", "respond-async")
		c.Header("Retry-After", "1")
		if err := h.show(c, http.StatusAccepted, snap); err != nil {
			return nil, err
		}
		return nil, errAnswered
	}
	spec := snap.Spec
	waitsLong(c, telemetry.LongSync)
	snap, err = h.await(c, []string{who.Owner}, id, h.syncWait-time.Since(began), ended)
	if gone := c.Request.Context().Err(); gone != nil {
		h.withdraw(c, spec)
		return nil, gone
	}
	if err != nil {
		return nil, err
	}
	return outcome(snap)
}

// withdraw cancels a job whose caller has gone away, unless it has started.
func (h *originalHandler) withdraw(c *gin.Context, spec *job.Spec) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), withdrawTimeout)
	defer cancel()
	canceled, err := h.jobs.CancelUnstarted(ctx, spec.Owner, spec.ID)
	if err != nil {
		_ = c.Error(fmt.Errorf("cancel abandoned job: %w", err))
	}
	if canceled {
		h.log.DebugContext(ctx, "abandoned job canceled")
	}
}

// outcome returns the record of a job that succeeded, or the problem that stands for its state.
func outcome(snap *job.Snapshot) (*job.Record, error) {
	r := snap.Record
	switch {
	case r == nil:
		return nil, &problem.Problem{Code: problem.CodeStillRunning, RetryAfter: retryStillRunning, Extra: map[string]any{"job": snap.Spec.ID}}
	case r.Status == job.StatusCanceled:
		return nil, &problem.Problem{Code: job.CodeCanceledByUser, Status: http.StatusConflict, Extra: map[string]any{"job": snap.Spec.ID}}
	case r.Status == job.StatusFailed:
		return nil, failure(r)
	}
	return r, nil
}

// failure returns the problem of a failed job.
func failure(r *job.Record) *problem.Problem {
	p := &problem.Problem{Code: problem.CodeInternal, Status: http.StatusBadGateway, Extra: map[string]any{"job": r.Spec.ID}}
	if r.Error == nil {
		return p
	}
	p.Code, p.Failed = r.Error.Code, r.Error
	switch {
	case p.Code == job.CodeModerated:
		p.Status = http.StatusBadRequest
	case p.Code == job.CodeThrottled, r.Error.Cause == job.CodeThrottled:
		p.Status, p.RetryAfter = http.StatusServiceUnavailable, retryThrottled
	}
	return p
}

// product reads the whole of a job's first medium.
func (h *originalHandler) product(c *gin.Context, r *job.Record) (job.Media, []byte, error) {
	if r.Result == nil || len(r.Result.Media) == 0 {
		return job.Media{}, nil, &problem.Problem{Code: problem.CodeInternal, Cause: errors.New("a succeeded job without media")}
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	reader, err := h.store.OpenMedia(ctx, r.Spec.Owner, r.Spec.ID, r.Result.Media[0].Index)
	if err != nil {
		return job.Media{}, nil, fmt.Errorf("open media: %w", err)
	}
	data := make([]byte, reader.Media().Bytes)
	if _, err := io.ReadFull(reader, data); err != nil {
		return job.Media{}, nil, fmt.Errorf("read media: %w", err)
	}
	return reader.Media(), data, nil
}
