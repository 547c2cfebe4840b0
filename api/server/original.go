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

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// cleanupTimeout bounds the cleanup after a caller has disconnected.
const cleanupTimeout = 5 * time.Second

const (
	// retryThrottled is when to retry while the upstream throttles, in seconds.
	retryThrottled = 30
	// retryStillRunning is when to poll a job that took longer than SYNC_WAIT, in seconds.
	retryStillRunning = 5
)

// errResponded is returned when the response has already been sent.
var errResponded = errors.New("response already sent")

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

// run checks an input, submits a job, waits until it succeeds, and returns its record. Any other outcome is a *problem.Problem. A job that
// outlasts the wait keeps running. With Prefer: respond-async run responds at once and returns errResponded.
func (h *originalHandler) run(c *gin.Context, models *job.Catalogue, kind job.Kind, in job.Input, faults []job.FieldError, text string) (*job.Record, error) {
	o, err := h.originalOrder(models, kind, in, faults, text)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	respond.Vary(c, "Accept-Language", "Cookie", "Prefer")
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return nil, err
	}
	submitted, err := h.submit(c, caller, o)
	if err != nil {
		return nil, err
	}
	snap := submitted.Job
	id := snap.Spec.ID
	c.Header("X-Job-Id", id)
	c.Header("Location", jobview.Path(id))
	if prefer(c.Request).async {
		c.Header("Preference-Applied", "respond-async")
		c.Header("Retry-After", "1")
		if err := h.showSubmitted(c, http.StatusAccepted, snap); err != nil {
			return nil, err
		}
		return nil, errResponded
	}
	spec := snap.Spec
	markLongRequest(c, telemetry.LongSync)
	snap, err = h.await(c, []string{caller.Owner}, id, h.syncWait-time.Since(began), ended)
	if ctxErr := c.Request.Context().Err(); ctxErr != nil {
		h.cancelAbandoned(c, spec)
		return nil, ctxErr
	}
	if err != nil {
		return nil, err
	}
	return outcome(snap)
}

// cancelAbandoned cancels a job whose caller has disconnected, unless it has started.
func (h *originalHandler) cancelAbandoned(c *gin.Context, spec *job.Spec) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.Request.Context()), cleanupTimeout)
	defer cancel()
	canceled, err := h.jobs.CancelUnstarted(ctx, spec.Owner, spec.ID)
	if err != nil {
		_ = c.Error(fmt.Errorf("cancel abandoned job: %w", err))
	}
	if canceled {
		h.log.DebugContext(ctx, "abandoned job canceled")
	}
}

// outcome returns the record of a job that succeeded, or the problem for its state.
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

// failure returns the problem for a failed job.
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

// runForMedia runs a job and returns the first image or audio file with its content. It fails as run does.
func (h *originalHandler) runForMedia(
	c *gin.Context, models *job.Catalogue, kind job.Kind, in job.Input, faults []job.FieldError, text string,
) (job.Media, []byte, error) {
	record, err := h.run(c, models, kind, in, faults, text)
	if err != nil {
		return job.Media{}, nil, err
	}
	return firstMedia(c, h.store, record)
}

// firstMedia returns the first image or audio file of a job with its content.
func firstMedia(c *gin.Context, st *store.Store, r *job.Record) (job.Media, []byte, error) {
	if r.Result == nil || len(r.Result.Media) == 0 {
		return job.Media{}, nil, &problem.Problem{Code: problem.CodeInternal, Cause: errors.New("job succeeded without media")}
	}
	m := r.Result.Media[0]
	data, err := readMedia(c, st, r.Spec, m)
	return m, data, err
}

// readMedia returns the content of an image or audio file of a job.
func readMedia(c *gin.Context, st *store.Store, spec *job.Spec, m job.Media) ([]byte, error) {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	reader, err := st.OpenMedia(ctx, spec.Owner, spec.ID, m)
	if err != nil {
		return nil, fmt.Errorf("open media: %w", err)
	}
	data := make([]byte, m.Bytes)
	if _, err := io.ReadFull(reader, data); err != nil {
		return nil, fmt.Errorf("read media: %w", err)
	}
	return data, nil
}
