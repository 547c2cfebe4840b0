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

	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// Writer writes errors as responses.
type Writer struct {
	// broker tells whether NATS is reachable; nil while the process starts.
	broker *broker.Broker
	now    func() time.Time
}

// NewWriter returns a Writer. b is nil while the process has no connection to NATS yet.
func NewWriter(b *broker.Broker, now func() time.Time) *Writer { return &Writer{broker: b, now: now} }

// Handler responds to a request or returns why it cannot.
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
	// originalShape marks requests whose errors have the shape that the original's clients read.
	originalShape = "original_shape"
	// successFalse marks requests whose errors hold "success": false.
	successFalse = "success_false"
	// codeKey is where a request's context holds the code of the error that was its response.
	codeKey = "problem_code"
)

// OriginalShape gives the errors of a route the shape that the original's clients read, instead of problem+json.
func OriginalShape(c *gin.Context) { c.Set(originalShape, true) }

// SuccessFalse adds "success": false to the errors of a route, which the original's clients look for.
func SuccessFalse(c *gin.Context) {
	c.Set(successFalse, true)
	c.Header("Cache-Control", "no-store")
}

// CodeOf returns the code of the error that was the response to a request, "" if there was none.
func CodeOf(c *gin.Context) string { return c.GetString(codeKey) }

// statusClientGone is what metrics show for a client that did not wait for its response.
const statusClientGone = 499

// Write responds with an error. A response that is already under way is cut off, so that no client takes a part of it for
// the whole.
func (w *Writer) Write(c *gin.Context, err error) {
	// A body that did not arrive in time ends the context as well, but its sender is still there.
	if c.Request.Context().Err() != nil && !isBodyTimeout(err) {
		c.Status(statusClientGone)
		c.Abort()
		return
	}
	p := w.ToProblem(c.Request.Context(), err)
	d := definitionOf(p)
	c.Set(codeKey, p.Code)
	if d.status >= http.StatusInternalServerError && p.Cause != nil {
		_ = c.Error(p.Cause) // Logged with the request.
	}
	c.Abort()
	if c.Writer.Written() {
		panic(http.ErrAbortHandler)
	}
	lang := Lang(c)
	sentence := p.detail(d.sentence, c.GetBool(originalShape), lang)
	if d.retryAfter > 0 {
		c.Header("Retry-After", strconv.Itoa(d.retryAfter))
	}
	w.SetUsage(c, p.usage)
	c.Header("Content-Language", string(lang))
	c.Header("Cache-Control", "no-store")
	respond.Vary(c, "Accept-Language")
	body := p.body(c, sentence, lang)
	if c.GetBool(originalShape) {
		respond.JSON(c, d.status, body)
		return
	}
	body["type"], body["title"], body["status"], body["detail"] = "about:blank", title(d.status, lang), d.status, sentence
	respond.JSONAs(c, d.status, "application/problem+json", body)
}

// isBodyTimeout reports whether an error says that a body did not arrive in time.
func isBodyTimeout(err error) bool {
	p, ok := errors.AsType[*Problem](err)
	return ok && (p.Code == CodeRequestTimeout || p.Code == CodeUploadTooSlow || errors.Is(p.Cause, os.ErrDeadlineExceeded))
}

// body returns what both shapes of an error have in common.
func (p *Problem) body(c *gin.Context, sentence string, lang job.Lang) map[string]any {
	body := map[string]any{
		"error": sentence, "code": p.Code, "request_id": telemetry.RequestID(c.Request.Context()),
	}
	if len(p.Fields) > 0 {
		fields := make([]map[string]string, len(p.Fields))
		for i, field := range p.Fields {
			fields[i] = map[string]string{
				"pointer": field.Pointer, "code": field.Code, "detail": fieldSentence(field, lang),
			}
		}
		body["errors"] = fields
	}
	if p.Job != nil {
		body["job"] = Translate(p.Job.View(), lang)
	}
	if c.GetBool(successFalse) {
		body["success"] = false
	}
	maps.Copy(body, p.Extra)
	return body
}

// maxSentences bounds how many field errors are joined in one sentence; the list has them all.
const maxSentences = 5

// detail returns the sentence of a problem: that of its code, or those of its fields.
func (p *Problem) detail(sentence Words, isOriginal bool, lang job.Lang) string {
	if len(p.Fields) == 0 {
		return fillIn(sentence.In(lang), p.Args)
	}
	// The original's clients know a field by its name, all others by its pointer.
	prefix := "?"
	if isOriginal {
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
