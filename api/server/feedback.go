package server

import (
	"errors"
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

// feedbackShown is how many entries GET /api/feedback/my returns.
const feedbackShown = 20

// feedbackHandler serves the feedback of members.
type feedbackHandler struct {
	feedback *feedback.Box
	sessions *session.Sessions
	owners   *owners
	now      func() time.Time
}

// feedbackView is feedback as its author sees it.
type feedbackView struct {
	ID        string          `json:"id"`
	Category  string          `json:"category"`
	Content   string          `json:"content"`
	CreatedAt job.Time        `json:"created_at"`
	Status    feedback.Status `json:"status"`
}

func newFeedbackView(e *feedback.Entry) feedbackView {
	return feedbackView{e.ID, e.Category, e.Content, e.CreatedAt, e.Status}
}

type feedbackRequest struct {
	Category string `json:"category"`
	Content  string `json:"content"`
}

// check adds the errors of the fields to b.
func (r *feedbackRequest) check(b *bind.Binder) {
	b.AddMissing(feedback.CheckCategory("/category", r.Category)...)
	b.AddMissing(feedback.CheckContent("/content", r.Content)...)
}

// submitFeedback is POST /api/feedback.
func (h *feedbackHandler) submitFeedback(c *gin.Context, m *session.Member) error {
	var req feedbackRequest
	b, err := bind.Lenient(c, &req)
	if err != nil {
		return err
	}
	req.check(b)
	if err := b.Err(); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	owner := m.User.Owner()
	e, next, err := h.feedback.Give(ctx, feedback.Writer{Owner: owner, ID: m.User.ID, Email: m.User.Email}, req.Category, req.Content)
	if err != nil {
		return h.tooSoonProblem(err)
	}
	if err := h.owners.undoIfDeleted(ctx, m, h.feedback.Erase); err != nil {
		return err
	}
	respond.Vary(c, "Accept-Language")
	respond.JSON(c, http.StatusCreated, struct {
		Success    bool     `json:"success"`
		Message    string   `json:"message"`
		FeedbackID string   `json:"feedbackId"`
		Next       job.Time `json:"next_allowed_at"`
	}{true, thankYou.In(problem.Lang(c)), e.ID, job.At(next)})
	return nil
}

var thankYou = problem.Words{English: "Thank you for your feedback; the operator will read it.", Chinese: "感谢您的反馈，我们会尽快查看。"}

// tooSoonProblem returns the problem for a member who has to wait before sending feedback again, or err if it is another
// error.
func (h *feedbackHandler) tooSoonProblem(err error) error {
	soon, is := errors.AsType[*feedback.TooSoonError](err)
	if !is {
		return err
	}
	seconds := max(1, problem.Seconds(soon.Next.Sub(h.now())))
	p := &problem.Problem{
		Code: problem.CodeFeedbackTooSoon, Args: map[string]string{"minutes": strconv.Itoa((seconds + 59) / 60)},
		Extra: map[string]any{"next_allowed_at": job.At(soon.Next)},
	}
	return p.RetryIn(seconds)
}

// myFeedback is GET /api/feedback/my, newest first.
func (h *feedbackHandler) myFeedback(c *gin.Context, m *session.Member) error {
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
	reply := struct {
		Success   bool           `json:"success"`
		Feedbacks []feedbackView `json:"feedbacks"`
		Count     int            `json:"count"`
		// Next is when the member may give feedback again, unless that is now.
		Next *job.Time `json:"next_allowed_at,omitempty"`
	}{Success: true, Feedbacks: make([]feedbackView, len(page.Entries)), Count: len(page.Entries)}
	for i, e := range page.Entries {
		reply.Feedbacks[i] = newFeedbackView(e)
	}
	if next.After(h.now()) {
		reply.Next = job.AtPtr(next)
	}
	respond.JSON(c, http.StatusOK, reply)
	return nil
}
