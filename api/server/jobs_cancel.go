package server

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// cancelJob is POST /api/jobs/:id/cancel. Canceling again is not an error.
func (h *jobHandler) cancelJob(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	id, caller, err := jobAndCaller(c, h.sessions)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	var snap *job.Snapshot
	err = h.sessions.Find(ctx, caller, func(owners []string) (err error) {
		snap, err = h.jobs.Cancel(ctx, owners, id)
		return err
	})
	if errors.Is(err, jobs.ErrFinished) {
		return &problem.Problem{Code: problem.CodeFinished, Job: snap}
	}
	if err != nil {
		return err
	}
	return h.show(c, http.StatusOK, snap)
}

// deleteJob is DELETE /api/jobs/:id.
func (h *jobHandler) deleteJob(c *gin.Context) error {
	respond.Vary(c, "Cookie")
	id, caller, err := jobAndCaller(c, h.sessions)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	if err := h.sessions.Find(ctx, caller, func(owners []string) error { return h.jobs.Delete(ctx, owners, id) }); err != nil {
		return err
	}
	respond.Empty(c, http.StatusNoContent)
	return nil
}
