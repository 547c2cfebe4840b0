package server

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// retryRequest is the body of POST /api/jobs/:id/retry: what shall be other than before. It may be missing.
type retryRequest struct {
	Seed     *int64 `json:"seed"`
	Deadline *int   `json:"deadline_seconds"`
}

// retryJob is POST /api/jobs/:id/retry: a new job, of the caller, that asks for the same as one that failed or was
// canceled. It is a submission in every respect.
func (s *Server) retryJob(c *gin.Context) error {
	began := time.Now()
	vary(c, "Accept-Language", "Cookie", "Prefer")
	id, err := jobID(c)
	if err != nil {
		return err
	}
	key, err := idempotencyKey(c.Request)
	if err != nil {
		return err
	}
	var ask retryRequest
	b, err := s.decodeOptional(c, &ask)
	if err != nil {
		return err
	}
	if ask.Deadline != nil {
		b.faults = append(b.faults, job.ValidateDeadline("/deadline_seconds", *ask.Deadline)...)
	}
	if ask.Seed != nil && (*ask.Seed < -1 || *ask.Seed > job.MaxSeed) {
		b.faults = append(b.faults, job.FieldError{
			Pointer: "/seed", Code: "out_of_range", Args: map[string]string{"min": "-1", "max": strconv.Itoa(job.MaxSeed)},
		})
	}
	if len(b.faults) > 0 {
		return invalid(b.faults...)
	}
	who, err := s.caller(c)
	if err != nil {
		return err
	}
	submitted, err := s.retry(c, who, jobs.Retry{ID: id, Seed: ask.Seed, DeadlineSeconds: ask.Deadline}, key)
	if err != nil {
		return err
	}
	return s.answerSubmission(c, submitted, began)
}

func (s *Server) retry(c *gin.Context, who caller, r jobs.Retry, key string) (*jobs.Submission, error) {
	ctx, cancel := bounded(c)
	defer cancel()
	old, err := s.deps.Jobs.Retryable(ctx, who.owners, r.ID)
	switch {
	case errors.Is(err, jobs.ErrNotFound) && key != "":
		snap, err := s.submitter.FindRetry(ctx, who.submitter(c), key, r)
		if gone := s.submitterMustExist(c, err); gone != nil {
			return nil, gone
		}
		return &jobs.Submission{Job: snap, Replayed: true}, err
	case errors.Is(err, jobs.ErrNotRetryable):
		return nil, &problem{code: codeNotRetryable, job: old}
	case err != nil:
		return nil, err
	}
	if r.Seed != nil && old.Spec.Kind != job.KindImage {
		return nil, invalid(job.FieldError{Pointer: "/seed", Code: "unknown_field"})
	}
	o, err := s.submitter.NewRetry(old.Spec, r, s.deps.Models(ctx))
	if err != nil {
		return nil, invalidInput("/input", err)
	}
	o.Key = key
	return s.submit(c, who, o)
}

// decodeOptional is decode for a body that may be missing.
func (s *Server) decodeOptional(c *gin.Context, dest any) (*binder, error) {
	body, err := readBody(c)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return &binder{}, nil
	}
	c.Request.Body = io.NopCloser(bytes.NewReader(body))
	return s.decode(c, dest)
}
