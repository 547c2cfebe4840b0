package problem

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// Writer writes errors as responses.
type Writer struct {
	// broker is used to check whether NATS is reachable; nil while the process starts.
	broker *broker.Broker
	now    func() time.Time
}

// NewWriter returns a Writer. b is nil while the process has no connection to NATS yet.
func NewWriter(b *broker.Broker, now func() time.Time) *Writer { return &Writer{broker: b, now: now} }

// Handler responds to a request or returns an error.
type Handler func(c *gin.Context) error

// Handle adapts a Handler to Gin.
func (w *Writer) Handle(h Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := h(c); err != nil {
			w.Write(c, err)
		}
	}
}

const (
	// originalShape marks requests whose errors have the format of the original.
	originalShape = "original_shape"
	// successFalse marks requests whose errors contain "success": false.
	successFalse = "success_false"
	// codeKey is the context key of the code of the error response.
	codeKey = "problem_code"
)

// OriginalShape makes the errors of a route use the format of the original instead of problem+json.
func OriginalShape(c *gin.Context) { c.Set(originalShape, true) }

// SuccessFalse adds "success": false to the errors of a route, as clients of the original expect.
func SuccessFalse(c *gin.Context) {
	c.Set(successFalse, true)
	c.Header("Cache-Control", "no-store")
}

// CodeOf returns the code of the error response to a request, or "".
func CodeOf(c *gin.Context) string { return c.GetString(codeKey) }

// statusClientGone is the status in metrics when the client disconnected before the response.
const statusClientGone = 499

// Write responds with an error. It aborts a response that has already started, so that no client mistakes a part for the
// whole.
func (w *Writer) Write(c *gin.Context, err error) {
	// A body timeout cancels the context too, but then the client is still connected.
	if c.Request.Context().Err() != nil && !isBodyTimeout(err) {
		c.Status(statusClientGone)
		c.Abort()
		return
	}
	p, isOpenAI := w.ToProblem(c.Request.Context(), err), c.GetBool(openAIShape)
	if isOpenAI {
		p = p.forOpenAI()
	}
	d := definitionOf(p)
	c.Set(codeKey, p.Code)
	if d.status >= http.StatusInternalServerError && p.Cause != nil {
		_ = c.Error(p.Cause) // observe logs it.
	}
	c.Abort()
	if c.Writer.Written() {
		panic(http.ErrAbortHandler)
	}
	lang := Lang(c)
	sentence := p.detail(d.sentence, isOpenAI || c.GetBool(originalShape), lang)
	if d.retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(d.retryAfter))
	}
	w.SetUsage(c, p.usage)
	c.Header("Content-Language", string(lang))
	c.Header("Cache-Control", "no-store")
	respond.Vary(c, "Accept-Language")
	if isOpenAI {
		c.Header("X-Should-Retry", strconv.FormatBool(p.shouldRetry(d.status)))
		respond.JSON(c, d.status, openAIBodyOf(p, d.status, sentence))
		return
	}
	body := p.body(c, sentence, lang)
	if c.GetBool(originalShape) {
		respond.JSON(c, d.status, body)
		return
	}
	body["type"], body["title"], body["status"], body["detail"] = "about:blank", title(d.status, lang), d.status, sentence
	respond.JSONAs(c, d.status, "application/problem+json", body)
}

// isBodyTimeout reports whether a body did not arrive in time.
func isBodyTimeout(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && (p.Code == CodeRequestTimeout || p.Code == CodeUploadTooSlow || errors.Is(p.Cause, os.ErrDeadlineExceeded))
}

// body returns the members that both formats of an error have.
func (p *Problem) body(c *gin.Context, sentence string, lang job.Lang) map[string]any {
	body := map[string]any{
		"error": sentence, "code": p.Code, "request_id": telemetry.RequestID(c.Request.Context()),
	}
	if len(p.Fields) > 0 {
		body["errors"] = fieldErrors(p.Fields, lang)
	}
	if p.Job != nil {
		body["job"] = Translate(jobview.Of(p.Job), lang)
	}
	if c.GetBool(successFalse) {
		body["success"] = false
	}
	maps.Copy(body, p.Extra)
	return body
}

func fieldErrors(fields []job.FieldError, lang job.Lang) []map[string]string {
	list := make([]map[string]string, len(fields))
	for i, field := range fields {
		list[i] = map[string]string{"pointer": field.Pointer, "code": field.Code, "detail": fieldSentence(field, lang)}
	}
	return list
}

// maxSentences bounds how many field errors the sentence contains; the list has them all.
const maxSentences = 5

// detail returns the sentence of a problem, or those of its fields.
func (p *Problem) detail(sentence Words, plainNames bool, lang job.Lang) string {
	if len(p.Fields) == 0 {
		text := fillIn(sentence.In(lang), p.Args)
		for name, term := range p.Terms {
			text = strings.ReplaceAll(text, "{"+name+"}", term.In(lang))
		}
		return text
	}
	// The original and OpenAI name fields without a slash; native routes use JSON pointers.
	prefix := "?"
	if plainNames {
		prefix = "/"
	}
	var sentences []string
	for i, field := range p.Fields {
		if i == maxSentences {
			sentences = append(sentences, "…")
			break
		}
		sentences = append(sentences, strings.TrimPrefix(field.Pointer, prefix)+" "+fieldSentence(field, lang))
	}
	return strings.Join(sentences, "; ")
}

func fillIn(sentence string, args map[string]string) string {
	for name, value := range args {
		sentence = strings.ReplaceAll(sentence, "{"+name+"}", value)
	}
	return sentence
}
