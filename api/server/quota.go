package server

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// quotaView is what GET /api/quota answers: the windows of images and audio, and those of texts.
type quotaView struct {
	Lane job.Lane `json:"lane"`
	windowsView
	Text windowsView `json:"text"`
}

// windowsView is the windows of one group. One without limit is null.
type windowsView struct {
	Minute  *windowView `json:"minute"`
	Day     *windowView `json:"day"`
	Address *windowView `json:"address"`
}

type windowView struct {
	Limit     int      `json:"limit"`
	Remaining int      `json:"remaining"`
	ResetsAt  job.Time `json:"resets_at"`
	ResetsIn  int      `json:"resets_in"`
}

// getQuota is GET /api/quota: what the caller has left, and until when.
func (s *Server) getQuota(c *gin.Context) error {
	vary(c, "Accept-Language", "Cookie")
	who, err := s.caller(c)
	if err != nil {
		return err
	}
	ctx, cancel := bounded(c)
	defer cancel()
	list, err := s.submitter.Usage(ctx, who.submitter(c))
	if err != nil {
		return err
	}
	view := quotaView{Lane: who.lane}
	for _, u := range list {
		group := &view.windowsView
		if u.Group == quota.GroupText {
			group = &view.Text
		}
		w := &windowView{u.Limit, u.Remaining(), job.At(u.Ends), u.Wait(s.deps.Now())}
		switch u.Window {
		case quota.WindowMinute:
			group.Minute = w
		case quota.WindowDay:
			group.Day = w
		case quota.WindowAddress:
			group.Address = w
		}
	}
	s.showUsage(c, list)
	c.Header("Cache-Control", "no-store")
	writeJSON(c, http.StatusOK, jsonType, view)
	return nil
}

// submissionProblem returns the problem of a submission that was refused because of its caller, nil for any other error.
func (s *Server) submissionProblem(err error) *problem {
	if refusal, ok := errors.AsType[*quota.Refusal](err); ok {
		return s.quotaProblem(refusal)
	}
	if tooMany, ok := errors.AsType[*jobs.TooManyActiveError](err); ok {
		return &problem{
			code: codeTooManyActive, retryAfter: retryActive, args: map[string]string{"max": strconv.Itoa(tooMany.Max)},
			extra: map[string]any{"retry_after": retryActive},
		}
	}
	return nil
}

// quotaProblem returns the problem of a caller that requests more than is left of its quota.
func (s *Server) quotaProblem(r *quota.Refusal) *problem {
	wait, left := r.Wait(s.deps.Now()), r.Remaining()
	p := &problem{
		code: codeRateLimited, reason: quotaReason(r), retryAfter: wait, extra: map[string]any{"retry_after": wait},
		args:  map[string]string{"max": strconv.Itoa(r.Limit), "left": strconv.Itoa(left), "asked": strconv.Itoa(r.Asked)},
		usage: []quota.Usage{r.Usage},
	}
	if r.Window != quota.WindowMinute {
		p.code, p.extra = codeQuotaExceeded, map[string]any{"remaining": left, "total": r.Limit}
	}
	return p
}

// quotaReason selects the sentence of a refusal.
func quotaReason(r *quota.Refusal) string {
	var parts []string
	if r.Window == quota.WindowAddress {
		parts = append(parts, "address")
	}
	switch {
	case r.Group == quota.GroupText:
		// A text is one unit: it never fits in part.
		parts = append(parts, "text")
	case r.Asked > r.Limit:
		parts = append(parts, "never")
	case r.Remaining() > 0:
		parts = append(parts, "some")
	}
	return strings.Join(parts, "_")
}

// showUsage sets the header fields of draft-ietf-httpapi-ratelimit-headers-11.
func (s *Server) showUsage(c *gin.Context, list []quota.Usage) {
	if len(list) == 0 {
		return
	}
	now := s.deps.Now()
	var policies, left []string
	for _, u := range list {
		policies = append(policies, fmt.Sprintf("%q;q=%d;w=%d", u.Policy(), u.Limit, int(u.Length/time.Second)))
		left = append(left, fmt.Sprintf("%q;r=%d;t=%d", u.Policy(), u.Remaining(), u.Wait(now)))
	}
	c.Header("RateLimit-Policy", strings.Join(policies, ", "))
	c.Header("RateLimit", strings.Join(left, ", "))
}
