package problem

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// retryActive is when to retry after too many active jobs, in seconds.
const retryActive = 5

// retryNotAccepting and maxRetryNotAccepting are the default and the maximum Retry-After, in seconds, of submissions while
// the operator does not accept jobs. The operator may accept them again before the announced end.
const (
	retryNotAccepting    = 60
	maxRetryNotAccepting = 3600
)

// refusedSubmission returns the problem for a submission that the operator or a limit of its caller refuses, or nil for any
// other error.
func (w *Writer) refusedSubmission(err error) *Problem {
	if refusal, ok := errors.AsType[*quota.Refusal](err); ok {
		if refusal.Budget != nil {
			return w.exceededBudget(refusal)
		}
		return w.exceededQuota(refusal)
	}
	if unpriced, ok := errors.AsType[*jobs.UnpricedError](err); ok {
		p := &Problem{Code: CodeBudgetExceeded, Reason: "unpriced", Args: map[string]string{"model": unpriced.Model, "currency": unpriced.Currency}}
		if unpriced.OfKey {
			p.Reason = "key_unpriced"
		}
		return p
	}
	if tooMany, ok := errors.AsType[*jobs.TooManyActiveError](err); ok {
		p := &Problem{Code: CodeTooManyActive, Args: map[string]string{"max": strconv.Itoa(tooMany.Max)}}
		if tooMany.OfKey {
			p.Reason = "key"
		}
		return p.RetryIn(retryActive)
	}
	if closed, ok := errors.AsType[*jobs.NotAcceptingError](err); ok {
		return w.notAccepting(closed)
	}
	return nil
}

// notAccepting returns the problem while the operator does not accept jobs.
func (w *Writer) notAccepting(e *jobs.NotAcceptingError) *Problem {
	p := &Problem{Code: CodeSubmissionsStopped, RetryAfter: retryNotAccepting, Args: map[string]string{"reason": e.Reason}}
	if e.Reason != "" {
		p.Reason = "reason"
	}
	if !e.Until.IsZero() {
		p.RetryAfter = max(1, min(Seconds(e.Until.Sub(w.now())), maxRetryNotAccepting))
		p.Extra = map[string]any{"until": e.Until}
	}
	return p
}

// exceededQuota returns the problem for a request that exceeds the remaining quota.
func (w *Writer) exceededQuota(r *quota.Refusal) *Problem {
	wait, left := r.Wait(w.now()), r.Remaining()
	p := (&Problem{
		Code: CodeRateLimited, Reason: quotaReason(r), usage: []quota.Usage{r.Usage},
		Args: map[string]string{"max": strconv.Itoa(r.Limit), "left": strconv.Itoa(left), "asked": strconv.Itoa(r.Asked)},
	}).RetryIn(wait)
	if r.Daily() {
		p.Code, p.Extra = CodeQuotaExceeded, map[string]any{"remaining": left, "total": r.Limit}
	}
	return p
}

// quotaReason returns the reason that selects the sentence of a refusal.
func quotaReason(r *quota.Refusal) string {
	var parts []string
	if r.Window == quota.WindowAddress {
		parts = append(parts, "address")
	}
	if r.OfKey() {
		parts = append(parts, "key")
	}
	switch {
	case r.Group == quota.GroupText:
		// A text is one unit, so the quota is never partly sufficient.
		parts = append(parts, "text")
	case r.Asked > r.Limit:
		parts = append(parts, "never")
	case r.Remaining() > 0:
		parts = append(parts, "some")
	}
	return strings.Join(parts, "_")
}

// SetUsage sets the header fields of draft-ietf-httpapi-ratelimit-headers-11 and, on its routes, those of the OpenAI API.
func (w *Writer) SetUsage(c *gin.Context, list []quota.Usage) {
	if len(list) == 0 {
		return
	}
	now := w.now()
	if list = quota.WithoutBudgets(list); len(list) == 0 {
		return
	}
	const usual = 128 // Bytes of three windows.
	policies, left := make([]byte, 0, usual), make([]byte, 0, usual)
	for i := range list {
		if i > 0 {
			policies, left = append(policies, ", "...), append(left, ", "...)
		}
		u := &list[i]
		policy := u.Policy()
		policies = appendItem(policies, policy, 'q', u.Limit, 'w', int(u.Length/time.Second))
		left = appendItem(left, policy, 'r', u.Remaining(), 't', u.Wait(now))
	}
	c.Header("RateLimit-Policy", string(policies))
	c.Header("RateLimit", string(left))
	if c.GetBool(openAIShape) {
		setOpenAIUsage(c, list, now)
	}
}

// appendItem appends an item of a header field: a name with two parameters.
func appendItem(to []byte, name string, first byte, a int, second byte, b int) []byte {
	to = strconv.AppendQuote(to, name)
	to = strconv.AppendInt(append(to, ';', first, '='), int64(a), 10)
	return strconv.AppendInt(append(to, ';', second, '='), int64(b), 10)
}
