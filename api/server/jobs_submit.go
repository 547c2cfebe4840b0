package server

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// submitJob is POST /api/jobs.
func (h *jobHandler) submitJob(c *gin.Context) error {
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
	o, err := h.order(h.models(c.Request.Context()), &sub, b)
	if err != nil {
		return err
	}
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	if (sub.Webhook != nil || len(sub.WebhookEvents) > 0) && caller.Member == nil {
		return signInForWebhooks(c)
	}
	o.Key = key
	if sub.DryRun {
		return h.estimate(c, caller, o)
	}
	submitted, err := h.submit(c, caller, o)
	if err != nil {
		return err
	}
	return h.respondSubmitted(c, caller, submitted, began)
}

// respondSubmitted responds with the job, after waiting for its end if the caller prefers that. The wait counts from began.
func (h *jobHandler) respondSubmitted(c *gin.Context, caller session.Caller, submitted *jobs.Submission, began time.Time) error {
	snap := submitted.Job
	if submitted.Replayed {
		c.Header("Idempotent-Replayed", "true")
	}
	p := prefer(c.Request)
	if release, ok := h.reserveOptionalWait(caller, p.wait); ok {
		defer release()
		markLongRequest(c, telemetry.LongWait)
		latest, err := h.await(c, []string{snap.Spec.Owner}, snap.Spec.ID, p.wait-time.Since(began), ended)
		if err == nil {
			snap = latest
		} else {
			// An error response would wrongly say that the job was not accepted.
			h.log.WarnContext(c.Request.Context(), "cannot wait for a new job", slog.Any("error", err))
		}
		c.Header("Preference-Applied", p.applied())
	}
	c.Header("Location", jobview.Path(snap.Spec.ID))
	status := http.StatusOK
	if snap.Record == nil {
		status = http.StatusAccepted
		c.Header("Retry-After", "1")
	}
	return h.showSubmitted(c, status, snap)
}

// reserveOptionalWait reserves a wait for a new job. Since the job is accepted, a caller with too many waits gets the response
// at once instead of an error.
func (h *jobHandler) reserveOptionalWait(caller session.Caller, wait time.Duration) (release func(), ok bool) {
	if wait <= 0 {
		return nil, false
	}
	release, err := h.limits.reserveWait(caller)
	return release, err == nil
}
