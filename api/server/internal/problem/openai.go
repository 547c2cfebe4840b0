package problem

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// openAIShape marks requests whose errors have the format of the OpenAI API.
const openAIShape = "openai_shape"

// OpenAIShape makes the errors of a route use the format of the OpenAI API.
func OpenAIShape(c *gin.Context) { c.Set(openAIShape, true) }

// openAIBody is the body of an error in the format of the OpenAI API.
type openAIBody struct {
	Error openAIError `json:"error"`
}

type openAIError struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	// Param is the name of the invalid field, or null.
	Param *string `json:"param"`
	Code  string  `json:"code"`
}

// openAICodes are the codes that the OpenAI API has for ours, which its clients know.
var openAICodes = map[string]string{
	CodeToken:          "invalid_api_key",
	CodeSignIn:         "invalid_api_key",
	CodeRateLimited:    "rate_limit_exceeded",
	CodeTooManyActive:  "rate_limit_exceeded",
	CodeQuotaExceeded:  insufficientQuota,
	CodeBudgetExceeded: insufficientQuota,
	job.CodeModerated:  "content_policy_violation",
}

const (
	insufficientQuota = "insufficient_quota"
	modelNotFound     = "model_not_found"
)

// forOpenAI returns a copy of p with the status and the sentence that clients of the OpenAI API expect: an exhausted quota is 429, a wrong
// token a wrong key, and an unknown model 404.
func (p *Problem) forOpenAI() *Problem {
	changed := *p
	switch {
	case p.Code == CodeQuotaExceeded, p.Code == CodeBudgetExceeded:
		changed.Status = http.StatusTooManyRequests
	case p.Code == CodeToken && p.Reason == "":
		changed.Reason = "key"
	case p.isUnknownModel():
		changed.Status = http.StatusNotFound
	}
	return &changed
}

// isUnknownModel reports whether nothing but the name of the model is wrong.
func (p *Problem) isUnknownModel() bool {
	return p.Code == CodeNotFound && p.Reason == "model" ||
		len(p.Fields) == 1 && p.Fields[0].Pointer == "/model" && p.Fields[0].Code == "unknown_value"
}

// openAIBodyOf returns the body of a problem of forOpenAI.
func openAIBodyOf(p *Problem, status int, sentence string) openAIBody {
	e := openAIError{Message: sentence, Type: openAIType(status), Code: p.Code}
	if code, ok := openAICodes[p.Code]; ok {
		e.Code = code
	}
	if p.isUnknownModel() {
		e.Code = modelNotFound
		e.Param = new("model")
	}
	if e.Code == insufficientQuota {
		e.Type = insufficientQuota
	}
	if len(p.Fields) > 0 {
		// A pointer into a list names the list.
		name, _, _ := strings.Cut(strings.TrimPrefix(p.Fields[0].Pointer, "/"), "/")
		e.Param = &name
	}
	return openAIBody{e}
}

// openAIType returns the type of an error with a status.
func openAIType(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= http.StatusInternalServerError:
		return "server_error"
	}
	return "invalid_request_error"
}

// shouldRetry reports whether the same request may succeed later.
func (p *Problem) shouldRetry(status int) bool {
	switch {
	case p.ShouldRetry != nil:
		return *p.ShouldRetry
	case p.Code == CodeQuotaExceeded, p.Code == CodeBudgetExceeded, p.Code == CodeRateLimited && p.Reason == "never":
		return false
	}
	return status == http.StatusRequestTimeout || status == http.StatusTooManyRequests ||
		status == http.StatusInternalServerError || status == http.StatusServiceUnavailable
}

// OpenAIError returns the body of an error in the format of the OpenAI API, for a stream whose status has been sent. The error is logged
// with the request.
func (w *Writer) OpenAIError(c *gin.Context, err error) any {
	p := w.ToProblem(c.Request.Context(), err).forOpenAI()
	d := definitionOf(p)
	c.Set(codeKey, p.Code)
	if d.status >= http.StatusInternalServerError && p.Cause != nil {
		_ = c.Error(p.Cause)
	}
	return openAIBodyOf(p, d.status, p.detail(d.sentence, true, Lang(c)))
}

// setOpenAIUsage sets the headers of the OpenAI API for the window of which least is left.
func setOpenAIUsage(c *gin.Context, list []quota.Usage, now time.Time) {
	least := list[0]
	for _, u := range list[1:] {
		if u.Remaining() < least.Remaining() {
			least = u
		}
	}
	c.Header("X-Ratelimit-Limit-Requests", strconv.Itoa(least.Limit))
	c.Header("X-Ratelimit-Remaining-Requests", strconv.Itoa(least.Remaining()))
	c.Header("X-Ratelimit-Reset-Requests", (time.Duration(least.Wait(now)) * time.Second).String())
}
