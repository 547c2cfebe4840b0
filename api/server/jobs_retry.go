package server

import (
	"bytes"
	"context"
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
	snap, replayed, err := s.retry(c, who, id, &ask, key)
	if err != nil {
		return err
	}
	if replayed {
		c.Header("Idempotent-Replayed", "true")
	}
	return s.answerSubmission(c, snap, began)
}

func (s *Server) retry(c *gin.Context, who caller, id string, ask *retryRequest, key string) (*job.Snapshot, bool, error) {
	ctx, cancel := bounded(c)
	defer cancel()
	old, err := s.deps.Jobs.Retryable(ctx, who.owners, id)
	switch {
	case errors.Is(err, jobs.ErrNotFound) && key != "":
		snap, err := s.earlierRetry(ctx, who, id, ask, key)
		if gone := s.submitterMustExist(c, err); gone != nil {
			return nil, false, gone
		}
		return snap, err == nil, err
	case errors.Is(err, jobs.ErrNotRetryable):
		return nil, false, &problem{code: codeNotRetryable, job: old}
	case err != nil:
		return nil, false, err
	}
	o := &order{
		kind: old.Spec.Kind, input: duplicate(old.Spec.Input), deadline: ask.Deadline, models: s.deps.Models(ctx),
		again: old.Spec, seed: ask.Seed,
	}
	if ask.Seed != nil {
		image, ok := o.input.(*job.ImageInput)
		if !ok {
			return nil, false, invalid(job.FieldError{Pointer: "/seed", Code: "unknown_field"})
		}
		image.Seed = ask.Seed
	}
	// What the catalogue no longer has would only fail once more.
	if faults := validate(o.input, o.models, "/input", nil); len(faults) > 0 {
		return nil, false, invalid(faults...)
	}
	return s.submit(c, who, o, key)
}

// earlierRetry returns the job that was made under an idempotency key of one that is no longer kept.
func (s *Server) earlierRetry(ctx context.Context, who caller, id string, ask *retryRequest, key string) (*job.Snapshot, error) {
	snap, err := s.deps.Jobs.Read(ctx, []string{who.owner}, s.keyedID(who, key))
	if err != nil {
		return nil, err
	}
	fingerprint, err := job.RetryFingerprint(id, ask.Seed, ask.Deadline)
	if err != nil {
		return nil, err
	}
	if snap.Spec.Fingerprint != fingerprint {
		return nil, jobs.ErrKeyReused
	}
	return snap, nil
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
