package server

import (
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// feedbackShown is how much of their own feedback members are shown.
const feedbackShown = 20

// feedbackHandler serves the feedback of members.
type feedbackHandler struct {
	feedback *feedback.Box
	sessions *session.Sessions
	owners   *owners
	now      func() time.Time
}

// feedbackView is a piece of feedback as its writer sees it.
type feedbackView struct {
	ID        string          `json:"id"`
	Category  string          `json:"category"`
	Content   string          `json:"content"`
	CreatedAt job.Time        `json:"created_at"`
	Status    feedback.Status `json:"status"`
}

func viewFeedback(e *feedback.Entry) feedbackView {
	return feedbackView{e.ID, e.Category, e.Content, e.CreatedAt, e.Status}
}

type feedbackRequest struct {
	Category string `json:"category"`
	Content  string `json:"content"`
}

// check adds what is wrong with the fields to what is known to be.
func (r *feedbackRequest) check(b *bind.Binder) {
	b.AddMissing(feedback.CheckCategory("/category", r.Category)...)
	b.AddMissing(feedback.CheckContent("/content", r.Content)...)
}

// giveFeedback is POST /api/feedback.
func (h *feedbackHandler) giveFeedback(c *gin.Context) error {
	m, err := h.sessions.Require(c)
	if err != nil {
		return err
	}
	var ask feedbackRequest
	b, err := bind.Lenient(c, &ask)
	if err != nil {
		return err
	}
	ask.check(b)
	if err := b.Err(); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	owner := m.User.Owner()
	e, next, err := h.feedback.Give(ctx, feedback.Writer{Owner: owner, ID: m.User.ID, Email: m.User.Email}, ask.Category, ask.Content)
	if err != nil {
		return h.tooSoon(err)
	}
	if err := h.owners.mustStillExist(ctx, m, h.feedback.Erase); err != nil {
		return err
	}
	respond.Vary(c, "Accept-Language")
	respond.JSON(c, http.StatusCreated, struct {
		Success    bool     `json:"success"`
		Message    string   `json:"message"`
		FeedbackID string   `json:"feedbackId"`
		Next       job.Time `json:"next_allowed_at"`
	}{true, thanks.In(problem.Lang(c)), e.ID, job.At(next)})
	return nil
}

var thanks = problem.Words{English: "Thank you for your feedback; the operator will read it.", Chinese: "感谢您的反馈，我们会尽快查看。"}

// tooSoon says when a member may give feedback again.
func (h *feedbackHandler) tooSoon(err error) error {
	soon, is := errors.AsType[*feedback.TooSoonError](err)
	if !is {
		return err
	}
	wait := soon.Next.Sub(h.now())
	seconds := max(1, int(math.Ceil(wait.Seconds())))
	return &problem.Problem{
		Code: problem.CodeFeedbackTooSoon, RetryAfter: seconds, Args: map[string]string{"minutes": strconv.Itoa((seconds + 59) / 60)},
		Extra: map[string]any{"retry_after": seconds, "next_allowed_at": job.At(soon.Next)},
	}
}

// myFeedback is GET /api/feedback/my: the newest first.
func (h *feedbackHandler) myFeedback(c *gin.Context) error {
	m, err := h.sessions.Require(c)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	page, err := h.feedback.List(ctx, feedback.Filter{Owner: m.User.Owner()}, feedback.Place{}, feedbackShown)
	if err != nil {
		return err
	}
	next, err := h.feedback.Next(ctx, m.User.Owner())
	if err != nil {
		return err
	}
	answer := struct {
		Success   bool           `json:"success"`
		Feedbacks []feedbackView `json:"feedbacks"`
		Count     int            `json:"count"`
		// Next is when another piece may be given, where that is not now.
		Next *job.Time `json:"next_allowed_at,omitempty"`
	}{Success: true, Feedbacks: make([]feedbackView, len(page.Entries)), Count: len(page.Entries)}
	for i, e := range page.Entries {
		answer.Feedbacks[i] = viewFeedback(e)
	}
	if h.isAhead(next) {
		answer.Next = job.AtPtr(next)
	}
	respond.JSON(c, http.StatusOK, answer)
	return nil
}

func (h *feedbackHandler) isAhead(t time.Time) bool { return t.After(h.now()) }
