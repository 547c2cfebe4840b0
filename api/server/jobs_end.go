package server

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// cancelJob is POST /api/jobs/:id/cancel. Canceling again is no error.
func (s *Server) cancelJob(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	id, err := jobID(c)
	if err != nil {
		return err
	}
	who, err := s.sessions.Caller(c)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	snap, err := s.deps.Jobs.Cancel(ctx, who.Owners, id)
	if errors.Is(err, jobs.ErrFinished) {
		return &problem.Problem{Code: problem.CodeFinished, Job: snap}
	}
	if err != nil {
		return err
	}
	return s.showJob(c, http.StatusOK, snap)
}

// deleteJob is DELETE /api/jobs/:id.
func (s *Server) deleteJob(c *gin.Context) error {
	respond.Vary(c, "Cookie")
	id, err := jobID(c)
	if err != nil {
		return err
	}
	who, err := s.sessions.Caller(c)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	if err := s.deps.Jobs.Delete(ctx, who.Owners, id); err != nil {
		return err
	}
	respond.Empty(c, http.StatusNoContent)
	return nil
}
