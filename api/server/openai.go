package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/openai"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// openAIHandler serves the OpenAI-compatible routes. Each request that generates something is a job, for whose end the route waits. The job
// does not depend on the request: it goes on when the client disconnects, since the clients of OpenAI repeat requests that take too long.
type openAIHandler struct {
	*submissions
	*jobViews
	jobs      *jobs.Service
	store     *store.Store
	limits    *streamLimits
	links     *openai.Links
	converter *openai.Converter
	uploaded  *uploadedImages
	claims    claims
	models    func(context.Context) *job.Catalogue
	catalogue *job.Catalogue
	// syncWait is how long a route waits for its job, and keepAlive how often a silent stream gets a comment.
	syncWait, keepAlive time.Duration
	now                 func() time.Time
}

// order checks an input and returns the order. b has the faults so far, and rename gives those of the input the names of the request.
func (h *openAIHandler) order(
	kind job.Kind, in job.Input, models *job.Catalogue, b *bind.Binder, rename func([]job.FieldError) []job.FieldError,
) (*jobs.Order, error) {
	b.AddMissing(rename(in.Validate(models))...)
	if err := b.Err(); err != nil {
		return nil, err
	}
	o, err := h.submitter.NewOrder(kind, in, nil, models)
	if faulty, ok := errors.AsType[*jobs.InvalidError](err); ok {
		return nil, problem.Invalid(rename(faulty.Faults)...)
	}
	if err != nil {
		return nil, err
	}
	o.SetRoute("openai")
	return o, nil
}

// call is a request whose job has been accepted.
type call struct {
	caller session.Caller
	job    *job.Snapshot
	began  time.Time
	// repeatable is set if a repetition of the request gets the same job, and failed if the job has ended without success.
	repeatable, failed bool
	// release ends the call.
	release func()
}

// submitCall submits a job. With Prefer: respond-async it responds at once and returns nil, otherwise the caller calls release.
func (h *openAIHandler) submitCall(c *gin.Context, o *jobs.Order) (*call, error) {
	call := &call{began: time.Now()}
	respond.Vary(c, "Accept-Language", "Cookie", "Prefer")
	var err error
	if o.Key, err = idempotencyKey(c.Request); err != nil {
		return nil, err
	}
	if call.caller, err = h.sessions.Caller(c); err != nil {
		return nil, err
	}
	if prefer(c.Request).async {
		return nil, h.respondAsync(c, call, o)
	}
	// It comes first: after the submission it would be too late to refuse the request.
	release, err := h.limits.reserveWait(call.caller)
	if err != nil {
		return nil, err
	}
	if err := h.enqueue(c, call, o); err != nil {
		release()
		return nil, err
	}
	_, isLibrary := retryCount(c)
	call.repeatable = o.Key != "" || (isLibrary && call.caller.Named())
	call.release = func() {
		release()
		// Errors of this process are written after the call.
		answered := call.failed || c.Writer.Written()
		if !answered || c.Request.Context().Err() != nil {
			h.claims.release(call.job.Spec.ID)
		}
	}
	return call, nil
}

// enqueue submits the job of a call, unless the call repeats another one.
func (h *openAIHandler) enqueue(c *gin.Context, call *call, o *jobs.Order) error {
	repeated, err := h.findRepeated(c, call.caller, o)
	if err != nil {
		return err
	}
	if call.job = repeated; repeated == nil {
		submitted, err := h.submit(c, call.caller, o)
		if err != nil {
			return err
		}
		call.job = submitted.Job
		if submitted.Replayed {
			repeated = call.job
		} else {
			h.claims.take(call.job.Spec.ID)
		}
	}
	if repeated != nil {
		c.Header("Idempotent-Replayed", "true")
	}
	c.Header("X-Job-Id", call.job.Spec.ID)
	c.Header("Location", jobview.Path(call.job.Spec.ID))
	return nil
}

// respondAsync submits the job of a call and responds with it.
func (h *openAIHandler) respondAsync(c *gin.Context, call *call, o *jobs.Order) error {
	if err := h.enqueue(c, call, o); err != nil {
		return err
	}
	c.Header("Preference-Applied", "respond-async")
	if call.job.Record == nil {
		c.Header("Retry-After", "1")
	}
	return h.showSubmitted(c, http.StatusAccepted, call.job)
}

// finish waits for the end of a job and returns its record. Any outcome but success is a *problem.Problem.
func (h *openAIHandler) finish(c *gin.Context, call *call) (*job.Record, error) {
	markLongRequest(c, telemetry.LongSync)
	snap, err := h.await(c, []string{call.caller.Owner}, call.job.Spec.ID, h.syncWait-time.Since(call.began), ended)
	if ctxErr := c.Request.Context().Err(); ctxErr != nil {
		return nil, ctxErr
	}
	if err != nil {
		return nil, err
	}
	return call.outcome(snap)
}

// outcome returns the record of a job that succeeded, or the problem for its state.
func (call *call) outcome(snap *job.Snapshot) (*job.Record, error) {
	record, err := outcome(snap)
	if p, ok := errors.AsType[*problem.Problem](err); ok {
		// A job that has ended stays as it is, and without a key another request would be another job.
		call.failed = p.Code != problem.CodeStillRunning
		p.ShouldRetry = new(!call.failed && call.repeatable)
		if *p.ShouldRetry {
			p.RetryAfter = 1 // The repetition waits too.
		}
	}
	return record, err
}

// warn adds a Warning for the user of a program. The text must be ASCII.
func warn(c *gin.Context, format string, args ...any) {
	c.Writer.Header().Add("Warning", fmt.Sprintf(`299 - "%s"`, quotable(fmt.Sprintf(format, args...))))
}

// model returns the model to use for a name: that of another one if it is retired, or is one of OpenAI's, which programs send that were
// written for OpenAI. A Warning header names the replacement. Any other name is returned unchanged.
func (h *openAIHandler) model(
	c *gin.Context, name, fallback string, served, builtin []job.Model, substitute func([]job.Model, string, string) (string, bool),
) string {
	_, isServed := job.FindModel(served, name)
	_, isBuiltin := job.FindModel(builtin, name)
	if replacement, ok := substitute(served, name, fallback); ok && !isServed && !isBuiltin {
		warn(c, "The model %s is not offered; %s was used.", name, replacement)
		return replacement
	}
	return servedModel(c, name, fallback, served, builtin)
}
