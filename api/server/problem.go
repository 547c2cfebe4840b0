package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/ledger"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// problem is an error as the caller is told about it.
type problem struct {
	// code is stable and names the fault to programs.
	code string
	// reason picks a sentence of its own among those of the code.
	reason string
	// args fill the gaps of the sentence.
	args map[string]string
	// fields are the faults of single fields.
	fields []job.FieldError
	// status is the code's own when 0.
	status int
	// retryAfter is in seconds; 0 says nothing.
	retryAfter int
	// extra joins the body as it is.
	extra map[string]any
	// job goes along where its state is the reason.
	job *job.Snapshot
	// cause is for the log alone.
	cause error
}

// Error returns the code and, for the log, the cause.
func (p *problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%s: %v", p.code, p.cause)
	}
	return p.code
}

// Unwrap returns the cause.
func (p *problem) Unwrap() error { return p.cause }

// handler answers a request or says why it cannot.
type handler func(c *gin.Context) error

// handle gives a handler the form that Gin wants.
func (s *Server) handle(h handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			s.fail(c, err)
		}
	}
}

// speakAsOriginal gives errors the shape that the original's clients read, in place of problem+json.
func speakAsOriginal(c *gin.Context) { c.Set(originalShape, true) }

const originalShape = "original_shape"

// statusClientGone is what metrics show for a caller that did not wait for its answer.
const statusClientGone = 499

// checkTimeout bounds the question whether NATS is there.
const checkTimeout = 2 * time.Second

// fail is the one place where an error becomes an answer.
func (s *Server) fail(c *gin.Context, err error) {
	if c.Request.Context().Err() != nil {
		c.Status(statusClientGone)
		c.Abort()
		return
	}
	p := s.explain(c.Request.Context(), err)
	f := faultOf(p)
	if f.status >= http.StatusInternalServerError && p.cause != nil {
		_ = c.Error(p.cause) // The line of the request carries it into the log.
	}
	c.Abort()
	if c.Writer.Written() {
		// Half an answer must not pass for a whole one.
		panic(http.ErrAbortHandler)
	}
	lang := s.lang(c)
	if p.retryAfter > 0 {
		c.Header("Retry-After", fmt.Sprint(p.retryAfter))
	}
	c.Header("Content-Language", string(lang))
	c.Header("Cache-Control", "no-store")
	vary(c, "Accept-Language")
	body := s.body(c, p, f, lang)
	if c.GetBool(originalShape) {
		writeJSON(c, f.status, jsonType, body)
		return
	}
	body["type"], body["title"], body["status"], body["detail"] = "about:blank", title(f.status, lang), f.status, detail(p, f, lang)
	writeJSON(c, f.status, "application/problem+json", body)
}

// body returns what both shapes of an error share.
func (s *Server) body(c *gin.Context, p *problem, f fault, lang job.Lang) map[string]any {
	body := map[string]any{
		"error": detail(p, f, lang), "code": p.code, "request_id": telemetry.RequestID(c.Request.Context()),
	}
	if len(p.fields) > 0 {
		fields := make([]map[string]string, len(p.fields))
		for i, field := range p.fields {
			fields[i] = map[string]string{
				"pointer": field.Pointer, "code": field.Code, "detail": fieldSentence(field, lang),
			}
		}
		body["errors"] = fields
	}
	if p.job != nil {
		body["job"] = translate(p.job.View(), lang)
	}
	maps.Copy(body, p.extra)
	return body
}

// detail returns the sentence of a problem.
func detail(p *problem, f fault, lang job.Lang) string {
	if len(p.fields) == 0 {
		return fillIn(f.sentence.in(lang), p.args)
	}
	var sentences []string
	for i, field := range p.fields {
		if i == sentencesShown {
			sentences = append(sentences, "…")
			break
		}
		sentences = append(sentences, field.Pointer+" "+fieldSentence(field, lang))
	}
	return strings.Join(sentences, "; ")
}

// sentencesShown bounds how many faults are put into one sentence; all of them are in the list.
const sentencesShown = 5

func fillIn(sentence string, args map[string]string) string {
	for name, value := range args {
		sentence = strings.ReplaceAll(sentence, "{"+name+"}", value)
	}
	return sentence
}

// explain gives an error its code. What nobody has named is an internal error, of which the caller learns nothing else,
// unless NATS is away: then it is that.
func (s *Server) explain(ctx context.Context, err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	for _, known := range known {
		if errors.Is(err, known.err) {
			return &problem{code: known.code, retryAfter: known.retryAfter, cause: err}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if s.deps.Broker.Check(ctx) != nil {
		return &problem{code: codeUnavailable, retryAfter: retryUnavailable, cause: err}
	}
	return &problem{code: codeInternal, cause: err}
}

const (
	retryFull        = 30
	retryUnavailable = 5
	retryThrottled   = 30
)

// known is the table from the errors of the packages below to codes.
var known = []struct {
	err        error
	code       string
	retryAfter int
}{
	{ledger.ErrNotFound, codeNotFound, 0},
	{store.ErrNotFound, codeNotFound, 0},
	{queue.ErrNotFound, codeNotFound, 0},
	{ledger.ErrFinished, codeFinished, 0},
	{ledger.ErrNotFinished, codeNotFinished, 0},
	{ledger.ErrKeyReused, codeKeyReused, 0},
	{queue.ErrFull, codeQueueFull, retryFull},
	{store.ErrFull, codeUnavailable, retryFull},
	{queue.ErrUnavailable, codeUnavailable, retryUnavailable},
	{context.DeadlineExceeded, codeUnavailable, retryUnavailable},
	// A caller that is gone is dealt with before; this is the server about to stop.
	{context.Canceled, codeUnavailable, retryUnavailable},
	{feed.ErrStopped, codeUnavailable, retryUnavailable},
}
