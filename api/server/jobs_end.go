package server

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// cancelJob is POST /api/jobs/:id/cancel. Canceling again is no error.
func (s *Server) cancelJob(c *gin.Context) error {
	vary(c, "Accept-Language", "Cookie")
	id, err := jobID(c)
	if err != nil {
		return err
	}
	who, err := s.caller(c)
	if err != nil {
		return err
	}
	ctx, cancel := bounded(c)
	defer cancel()
	snap, err := s.deps.Jobs.Cancel(ctx, who.owners, id)
	if errors.Is(err, jobs.ErrFinished) {
		return &problem{code: codeFinished, job: snap}
	}
	if err != nil {
		return err
	}
	return s.showJob(c, http.StatusOK, snap)
}

// deleteJob is DELETE /api/jobs/:id.
func (s *Server) deleteJob(c *gin.Context) error {
	vary(c, "Cookie")
	id, err := jobID(c)
	if err != nil {
		return err
	}
	who, err := s.caller(c)
	if err != nil {
		return err
	}
	ctx, cancel := bounded(c)
	defer cancel()
	if err := s.deps.Jobs.Delete(ctx, who.owners, id); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	return nil
}
