package server

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// deadLetterHandler serves the operator's routes on dead letters.
type deadLetterHandler struct {
	*operator
	store     *store.Store
	submitter *jobs.Submitter
	owners    *owners
	metrics   *telemetry.Metrics
}

// deadLetterView is a dead letter as the operator sees it. Input is set only when a single one is read.
type deadLetterView struct {
	ID          string    `json:"id"`
	Kind        job.Kind  `json:"kind"`
	Lane        job.Lane  `json:"lane,omitempty"`
	Owner       string    `json:"owner"`
	CreatedAt   *job.Time `json:"created_at,omitempty"`
	Deadline    *job.Time `json:"deadline,omitempty"`
	FailedAt    job.Time  `json:"failed_at"`
	Attempt     int       `json:"attempt"`
	MaxAttempts int       `json:"max_attempts"`
	job.Counts
	Error *job.Error `json:"error,omitempty"`
	// Detail is the error response of the upstream.
	Detail      string `json:"detail,omitempty"`
	RetriedFrom string `json:"retried_from,omitempty"`
	// RequestID is the id of the request that submitted the job.
	RequestID  string    `json:"request_id,omitempty"`
	Replayable bool      `json:"replayable"`
	Input      job.Input `json:"input,omitempty"`
}

func newDeadLetterView(l *store.DeadLetter, lang job.Lang) deadLetterView {
	v := deadLetterView{ID: l.ID, Kind: l.Kind, Owner: l.Owner, FailedAt: job.At(l.FailedAt())}
	if d := l.Dead; d != nil {
		v.Lane, v.CreatedAt, v.Deadline, v.MaxAttempts = d.Spec.Lane, &d.Spec.CreatedAt, &d.Spec.Deadline, d.Spec.MaxAttempts
		v.RetriedFrom, v.RequestID = d.Spec.RetriedFrom, d.Spec.RequestID
		v.Attempt, v.Counts, v.Error, v.Detail = d.Attempt, d.Counts, problem.TranslateError(d.Error, lang), d.Detail
		v.Replayable = d.CanBeReplayed()
	}
	return v
}

// list is GET /api/admin/dead-letters, newest first.
func (h *deadLetterHandler) list(c *gin.Context) error {
	var b bind.Binder
	limit := b.Number(c, "limit", defaultLimit, 1, maxLimit)
	filter := deadLetterFilter(&b, "?", func(name string) string { return strings.Join(c.QueryArray(name), ",") })
	if err := b.Err(); err != nil {
		return err
	}
	before, ok := decodeDeadLetterCursor(c.Query("cursor"))
	if !ok {
		return problem.New(problem.CodeInvalidCursor)
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	page, err := h.store.DeadLetters(ctx, filter, before, limit)
	h.audit(ctx, c, "list dead letters", err)
	if err != nil {
		return err
	}
	reply := struct {
		Letters []deadLetterView `json:"dead_letters"`
		Total   int              `json:"total"`
		Next    string           `json:"next_cursor,omitempty"`
	}{Letters: make([]deadLetterView, len(page.Letters)), Total: page.Total}
	for i, l := range page.Letters {
		reply.Letters[i] = newDeadLetterView(l, problem.Lang(c))
	}
	if page.Next > 0 {
		reply.Next = encodeSequences(cursorDeadLetters, page.Next)
	}
	respond.JSON(c, http.StatusOK, reply)
	return nil
}

// deadLetterFilter returns the filter in the fields of a request. Kinds and codes are comma-separated lists.
func deadLetterFilter(b *bind.Binder, prefix string, field func(name string) string) store.DeadLetterFilter {
	codes := job.FailureCodes()
	slices.Sort(codes)
	f := store.DeadLetterFilter{
		Kinds: bind.Choices(b, prefix+"kind", field("kind"), job.Kinds()),
		Codes: bind.Choices(b, prefix+"code", field("code"), codes),
		Owner: field("owner"),
	}
	if f.Owner != "" && !job.ValidToken(f.Owner) {
		b.Add(prefix+"owner", "invalid_value")
	}
	f.Since = b.Time(prefix+"since", field("since"))
	return f
}

// get is GET /api/admin/dead-letters/:id, including the input.
func (h *deadLetterHandler) get(c *gin.Context) error {
	deadLetter, err := h.find(c)
	if err != nil {
		return err
	}
	h.audit(c.Request.Context(), c, "show dead letter", nil, kindAttr(deadLetter))
	view := newDeadLetterView(deadLetter, problem.Lang(c))
	if deadLetter.Dead != nil {
		view.Input = deadLetter.Dead.Spec.Input
	}
	respond.JSON(c, http.StatusOK, view)
	return nil
}

// find returns the dead letter whose id is in the path.
func (h *deadLetterHandler) find(c *gin.Context) (*store.DeadLetter, error) {
	id, err := jobID(c)
	if err != nil {
		return nil, deadLetterNotFound()
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	deadLetter, err := h.store.DeadLetter(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return nil, deadLetterNotFound()
	}
	return deadLetter, err
}

func deadLetterNotFound() *problem.Problem {
	return problem.Because(problem.CodeNotFound, "dead_letter")
}

// decodeDeadLetterCursor decodes the cursor of a list of dead letters. An empty cursor starts with the newest.
func decodeDeadLetterCursor(text string) (before uint64, ok bool) {
	if text == "" {
		return 0, true
	}
	sequences, ok := decodeSequences(cursorDeadLetters, text, 1)
	if !ok {
		return 0, false
	}
	return sequences[0], true
}
