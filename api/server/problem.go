package server

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
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
	// failed is the error of a failed job, which then is what the caller is told.
	failed *job.Error
	// extra joins the body as it is.
	extra map[string]any
	// job goes along where its state is the reason.
	job *job.Snapshot
	// usage goes into the RateLimit header fields.
	usage []quota.Usage
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

// problemCode is where a context holds the code of the error that was the response, for the log and the span.
const problemCode = "problem_code"

// statusClientGone is what metrics show for a caller that did not wait for its answer.
const statusClientGone = 499

// fail is the one place where an error becomes an answer.
func (s *Server) fail(c *gin.Context, err error) {
	// A body that did not come in time ends the context as well, but its sender is still there.
	if c.Request.Context().Err() != nil && !isBodyTimeout(err) {
		c.Status(statusClientGone)
		c.Abort()
		return
	}
	p := s.explain(c.Request.Context(), err)
	f := faultOf(p)
	c.Set(problemCode, p.code)
	if f.status >= http.StatusInternalServerError && p.cause != nil {
		_ = c.Error(p.cause) // The line of the request carries it into the log.
	}
	c.Abort()
	if c.Writer.Written() {
		// Half an answer must not pass for a whole one.
		panic(http.ErrAbortHandler)
	}
	lang := s.lang(c)
	isOriginal := c.GetBool(originalShape)
	sentence := detail(p, f, fieldName(isOriginal), lang)
	if p.retryAfter > 0 {
		c.Header("Retry-After", fmt.Sprint(p.retryAfter))
	}
	s.showUsage(c, p.usage)
	c.Header("Content-Language", string(lang))
	c.Header("Cache-Control", "no-store")
	vary(c, "Accept-Language")
	body := problemBody(c, p, sentence, lang)
	if isOriginal {
		writeJSON(c, f.status, jsonType, body)
		return
	}
	body["type"], body["title"], body["status"], body["detail"] = "about:blank", title(f.status, lang), f.status, sentence
	writeJSON(c, f.status, "application/problem+json", body)
}

// isBodyTimeout reports whether an error says that a body did not arrive in time.
func isBodyTimeout(err error) bool {
	own, is := errors.AsType[*problem](err)
	return is && (own.code == codeRequestTimeout || own.code == codeUploadTooSlow || errors.Is(own.cause, os.ErrDeadlineExceeded))
}

// problemBody returns what both shapes of an error share.
func problemBody(c *gin.Context, p *problem, sentence string, lang job.Lang) map[string]any {
	body := map[string]any{
		"error": sentence, "code": p.code, "request_id": telemetry.RequestID(c.Request.Context()),
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
	if c.GetBool(failedMark) {
		body["success"] = false
	}
	maps.Copy(body, p.extra)
	return body
}

// detail returns the sentence of a problem.
func detail(p *problem, f fault, name func(string) string, lang job.Lang) string {
	if len(p.fields) == 0 {
		return fillIn(f.sentence.in(lang), p.args)
	}
	var sentences []string
	for i, field := range p.fields {
		if i == sentencesShown {
			sentences = append(sentences, "…")
			break
		}
		sentences = append(sentences, name(field.Pointer)+" "+fieldSentence(field, lang))
	}
	return strings.Join(sentences, "; ")
}

// fieldName returns how a sentence names a field: by its pointer, or as the original's clients know it.
func fieldName(isOriginal bool) func(pointer string) string {
	return func(pointer string) string {
		if isOriginal {
			return strings.TrimPrefix(pointer, "/")
		}
		return strings.TrimPrefix(pointer, "?")
	}
}

// sentencesShown bounds how many faults are put into one sentence; all of them are in the list.
const sentencesShown = 5

func fillIn(sentence string, args map[string]string) string {
	for name, value := range args {
		sentence = strings.ReplaceAll(sentence, "{"+name+"}", value)
	}
	return sentence
}
