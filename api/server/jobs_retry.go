package server

import (
	"errors"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// retryRequest is the optional body of POST /api/jobs/:id/retry: the fields to change.
type retryRequest struct {
	Seed     *int64 `json:"seed"`
	Deadline *int   `json:"deadline_seconds"`
}

// retryJob is POST /api/jobs/:id/retry. It submits a new job of the caller with the input of a failed or canceled one.
func (h *jobHandler) retryJob(c *gin.Context) error {
	began := time.Now()
	respond.Vary(c, "Accept-Language", "Cookie", "Prefer")
	id, err := jobID(c)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c.Request)
	if err != nil {
		return err
	}
	var req retryRequest
	b, err := bind.Optional(c, &req)
	if err != nil {
		return err
	}
	if req.Deadline != nil {
		b.Faults = append(b.Faults, job.ValidateDeadline("/deadline_seconds", *req.Deadline)...)
	}
	if req.Seed != nil && (*req.Seed < -1 || *req.Seed > job.MaxSeed) {
		b.Faults = append(b.Faults, bind.OutOfRange("/seed", -1, job.MaxSeed))
	}
	if err := b.Err(); err != nil {
		return err
	}
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	submitted, err := h.retry(c, caller, jobs.Retry{ID: id, Seed: req.Seed, DeadlineSeconds: req.Deadline}, key)
	if err != nil {
		return err
	}
	return h.respondSubmitted(c, caller, submitted, began)
}

func (h *jobHandler) retry(c *gin.Context, caller session.Caller, r jobs.Retry, key string) (*jobs.Submission, error) {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	var old *job.Snapshot
	err := h.sessions.Find(ctx, caller, func(owners []string) (err error) {
		old, err = h.jobs.Retryable(ctx, owners, r.ID)
		return err
	})
	switch {
	case errors.Is(err, jobs.ErrNotFound) && key != "":
		snap, err := h.submitter.FindRetry(ctx, caller.Submitter(c), key, r)
		if deleted := h.owners.undoSubmissionIfDeleted(c, err); deleted != nil {
			return nil, deleted
		}
		return &jobs.Submission{Job: snap, Replayed: true}, err
	case errors.Is(err, jobs.ErrNotRetryable):
		return nil, &problem.Problem{Code: problem.CodeNotRetryable, Job: old}
	case err != nil:
		return nil, err
	}
	if r.Seed != nil && old.Spec.Kind != job.KindImage {
		return nil, problem.Invalid(job.FieldError{Pointer: "/seed", Code: "unknown_field"})
	}
	o, err := h.submitter.NewRetry(old.Spec, r, h.models(ctx))
	if err != nil {
		return nil, invalidInput("/input", err)
	}
	o.Key = key
	return h.submit(c, caller, o)
}
