package server

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/pkg/apikey"
	"github.com/text2image-audio/text2image-audio/pkg/feedback"
)

// operatorsFeedbackOnly is operatorOnly for the list of feedback. As in the original, it also accepts ADMIN_KEY in the
// URL, which a proxy may log, and rejects with 403. Only the first key in the URL counts: a URL has room for hundreds of guesses.
func (o *operator) operatorsFeedbackOnly(c *gin.Context) {
	keys := operatorKeys(c)
	if key := c.Query("admin_key"); key != "" && !apikey.Looks(key) {
		keys = append(keys, key)
	}
	o.admitOperator(c, keys, http.StatusForbidden)
}

// adminFeedbackHandler serves the operator's routes on feedback.
type adminFeedbackHandler struct {
	*operator
	feedback *feedback.Box
}

// adminFeedbackView is feedback as the operator sees it.
type adminFeedbackView struct {
	feedbackView
	UserID string `json:"userId"`
	Email  string `json:"email"`
}

func newAdminFeedbackView(e *feedback.Entry) adminFeedbackView {
	return adminFeedbackView{newFeedbackView(e), e.UserID, e.Email}
}

// feedbackStats counts all feedback, regardless of the filter.
type feedbackStats struct {
	Total     int `json:"total"`
	Pending   int `json:"pending"`
	Processed int `json:"processed"`
	Today     int `json:"today"`
}

// listFeedback is GET /api/admin/feedback, newest first.
func (h *adminFeedbackHandler) listFeedback(c *gin.Context) error {
	var b bind.Binder
	limit := b.Number(c, "limit", maxLimit, 1, maxLimit)
	filter := feedbackFilter(&b, c)
	if err := b.Err(); err != nil {
		return err
	}
	at, ok := feedbackCursor(c.Query("cursor"))
	if !ok {
		return problem.New(problem.CodeInvalidCursor)
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	page, err := h.feedback.List(ctx, filter, at, limit)
	var stats feedback.Stats
	if err == nil {
		stats, err = h.feedback.Stats(ctx)
	}
	h.audit(ctx, c, "list feedback", err)
	if err != nil {
		return err
	}
	reply := struct {
		Success   bool                `json:"success"`
		Feedbacks []adminFeedbackView `json:"feedbacks"`
		Stats     feedbackStats       `json:"stats"`
		Count     int                 `json:"count"`
		Next      string              `json:"next_cursor,omitempty"`
	}{Success: true, Feedbacks: make([]adminFeedbackView, len(page.Entries)), Stats: feedbackStats(stats), Count: len(page.Entries)}
	for i, e := range page.Entries {
		reply.Feedbacks[i] = newAdminFeedbackView(e)
	}
	if page.Next != nil {
		reply.Next = encodeSequences(cursorFeedback, uint64(page.Next.Batch), page.Next.Before) //nolint:gosec // It is never negative.
	}
	respond.JSON(c, http.StatusOK, reply)
	return nil
}

// feedbackFilter returns the filter in the query. The original's page sends "all" for no filter.
func feedbackFilter(b *bind.Binder, c *gin.Context) feedback.Filter {
	var f feedback.Filter
	if category := c.Query("category"); category != "all" {
		f.Category = category
	}
	if f.Category != "" && len(feedback.CheckCategory("?category", f.Category)) > 0 {
		b.Add("?category", "invalid_value")
	}
	if status := c.Query("status"); status != "all" {
		if chosen := bind.Choices(b, "?status", status, feedback.Statuses()); len(chosen) == 1 {
			f.Status = chosen[0] // Both together are no filter.
		}
	}
	f.From, f.To = b.Time("?from", c.Query("from")), b.Time("?to", c.Query("to"))
	return f
}

// feedbackCursor decodes the cursor of a list of feedback. An empty cursor starts with the newest.
func feedbackCursor(text string) (feedback.Place, bool) {
	if text == "" {
		return feedback.Place{}, true
	}
	places, ok := decodeSequences(cursorFeedback, text, 2)
	if !ok || places[0] > maxLimit {
		return feedback.Place{}, false
	}
	at := feedback.Place{Batch: int(places[0]), Before: places[1]} //nolint:gosec // Checked above.
	return at, at.Valid()
}

// markFeedback is POST /api/admin/feedback/:id/processed and /pending.
func (h *adminFeedbackHandler) markFeedback(status feedback.Status) problem.Handler {
	return func(c *gin.Context) error {
		ctx, cancel := lifetime.Bounded(c.Request.Context())
		defer cancel()
		e, err := h.feedback.Mark(ctx, c.Param("id"), status)
		if errors.Is(err, feedback.ErrNotFound) {
			return feedbackNotFound()
		}
		h.audit(ctx, c, "mark feedback", err, slog.String("status", string(status)))
		if err != nil {
			return err
		}
		respond.JSON(c, http.StatusOK, newAdminFeedbackView(e))
		return nil
	}
}

// removeFeedback is DELETE /api/admin/feedback/:id.
func (h *adminFeedbackHandler) removeFeedback(c *gin.Context) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	_, err := h.feedback.Remove(ctx, c.Param("id"))
	if errors.Is(err, feedback.ErrNotFound) {
		return feedbackNotFound()
	}
	h.audit(ctx, c, "delete feedback", err)
	if err != nil {
		return err
	}
	respond.Empty(c, http.StatusNoContent)
	return nil
}

func feedbackNotFound() *problem.Problem { return problem.Because(problem.CodeNotFound, "feedback") }
