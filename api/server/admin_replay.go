package server

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

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

// The actions on dead letters, as they are logged.
const (
	actReplay = "replay dead letter"
	actPurge  = "purge dead letter"
)

// replayOne is POST /api/admin/dead-letters/:id/replay. The dead letter is removed once the new job is stored on disk.
func (h *deadLetterHandler) replayOne(c *gin.Context) error {
	deadLetter, err := h.find(c)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	snap, replayed, err := h.replay(ctx, c, deadLetter)
	if errors.Is(err, jobs.ErrNotRetryable) {
		return problem.Because(problem.CodeNotRetryable, "dead_letter")
	}
	if errors.Is(err, jobs.ErrReferencesGone) {
		return problem.Because(problem.CodeNotRetryable, "references")
	}
	if errors.Is(err, errOwnerDeleted) {
		return deadLetterNotFound()
	}
	if err != nil {
		return err
	}
	if replayed {
		c.Header("Idempotent-Replayed", "true")
	}
	status := http.StatusAccepted
	if snap.Record != nil {
		status = http.StatusOK
	}
	respond.JSON(c, status, problem.Translate(jobview.Of(snap), problem.Lang(c)))
	return nil
}

// replay submits the job of a dead letter again, for the same owner, and logs the action.
func (h *deadLetterHandler) replay(ctx context.Context, c *gin.Context, deadLetter *store.DeadLetter) (snap *job.Snapshot, replayed bool, err error) {
	ctx = telemetry.WithJobID(ctx, deadLetter.ID)
	attrs := []slog.Attr{kindAttr(deadLetter)}
	defer func() {
		if snap != nil {
			attrs = append(attrs, slog.String("new_job_id", snap.Spec.ID))
		}
		h.audit(ctx, c, actReplay, err, attrs...)
	}()
	if deadLetter.Dead == nil {
		return nil, false, jobs.ErrNotRetryable
	}
	snap, replayed, err = h.submitter.Replay(ctx, deadLetter)
	// The job may have been created in spite of an error.
	spec := deadLetter.Dead.Spec
	if deleted := h.owners.undoReplayIfDeleted(ctx, spec); deleted != nil {
		return nil, false, deleted
	}
	if err == nil && !replayed {
		h.metrics.JobsSubmitted.WithLabelValues(string(spec.Kind), string(spec.Lane)).Inc()
	}
	return snap, replayed, err
}

// purgeOne is DELETE /api/admin/dead-letters/:id.
func (h *deadLetterHandler) purgeOne(c *gin.Context) error {
	deadLetter, err := h.find(c)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	removed, err := h.purge(ctx, c, deadLetter)
	switch {
	case err != nil:
		return err
	case !removed:
		return deadLetterNotFound()
	}
	respond.Empty(c, http.StatusNoContent)
	return nil
}

// purge removes a dead letter and logs the action.
func (h *deadLetterHandler) purge(ctx context.Context, c *gin.Context, deadLetter *store.DeadLetter) (removed bool, err error) {
	ctx = telemetry.WithJobID(ctx, deadLetter.ID)
	removed, err = h.store.RemoveDeadLetter(ctx, deadLetter)
	if removed || err != nil {
		h.audit(ctx, c, actPurge, err, kindAttr(deadLetter))
	}
	return removed, err
}

func kindAttr(l *store.DeadLetter) slog.Attr { return slog.String("kind", string(l.Kind)) }
