package server

import (
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/ledger"
)

// cancelJob is POST /api/jobs/:id/cancel. Canceling again is no error.
func (s *Server) cancelJob(c *gin.Context) error {
	vary(c, "Accept-Language", "Cookie")
	id, err := jobID(c)
	if err != nil {
		return err
	}
	ctx, cancel := bounded(c)
	defer cancel()
	owners := s.caller(c).owners
	before, err := s.deps.Ledger.Read(ctx, owners, id)
	if err != nil {
		return err
	}
	snap, err := s.deps.Ledger.Cancel(ctx, owners, id)
	if errors.Is(err, ledger.ErrFinished) {
		return &problem{code: codeFinished, job: snap}
	}
	if err != nil {
		return err
	}
	if !ended(before) {
		s.countCanceled(snap.Spec.Kind)
	}
	return s.showJob(c, http.StatusOK, snap)
}

// countCanceled counts a job that ended without a worker, which counts all others.
func (s *Server) countCanceled(kind job.Kind) {
	s.deps.Metrics.JobsFinished.WithLabelValues(string(kind), string(job.StatusCanceled)).Inc()
}

// deleteJob is DELETE /api/jobs/:id.
func (s *Server) deleteJob(c *gin.Context) error {
	vary(c, "Cookie")
	id, err := jobID(c)
	if err != nil {
		return err
	}
	ctx, cancel := bounded(c)
	defer cancel()
	if err := s.deps.Ledger.Delete(ctx, s.caller(c).owners, id); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	return nil
}
