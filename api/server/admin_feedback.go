package server

import (
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/pkg/feedback"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// cursorOfFeedback begins the cursors of the list of feedback.
const cursorOfFeedback = "f1"

// operatorsFeedbackOnly is operatorOnly for the list of feedback, which the original gave to whoever had the key in the
// address, and refused with 403. The address stands in no log of this program; a proxy may keep one all the same. Of
// several keys in it the first counts: an address has room for hundreds of guesses.
func (s *Server) operatorsFeedbackOnly(c *gin.Context) {
	keys := operatorKeys(c)
	if key := c.Query("admin_key"); key != "" {
		keys = append(keys, key)
	}
	s.admitOperator(c, keys, http.StatusForbidden)
}

// operatorsView is a piece of feedback as the operator sees it.
type operatorsView struct {
	feedbackView
	UserID string `json:"userId"`
	Email  string `json:"email"`
}

func viewForOperator(e *feedback.Entry) operatorsView {
	return operatorsView{viewFeedback(e), e.UserID, e.Email}
}

// feedbackStats are figures about all feedback, whatever the filter.
type feedbackStats struct {
	Total     int `json:"total"`
	Pending   int `json:"pending"`
	Processed int `json:"processed"`
	Today     int `json:"today"`
}

// listFeedback is GET /api/admin/feedback, the newest first.
func (s *Server) listFeedback(c *gin.Context) error {
	limit, err := queryNumber(c, "limit", maxLimit, 1, maxLimit)
	var faults []job.FieldError
	if p, ok := errors.AsType[*problem](err); ok {
		faults = p.fields
	}
	filter, faults := feedbackFilter(c, faults)
	if len(faults) > 0 {
		return invalid(faults...)
	}
	at, ok := feedbackCursor(c.Query("cursor"))
	if !ok {
		return &problem{code: codeInvalidCursor}
	}
	ctx, cancel := bounded(c)
	defer cancel()
	page, err := s.deps.Feedback.List(ctx, filter, at, limit)
	var stats feedback.Stats
	if err == nil {
		stats, err = s.deps.Feedback.Stats(ctx)
	}
	s.audit(ctx, c, "list feedback", err)
	if err != nil {
		return err
	}
	answer := struct {
		Success   bool            `json:"success"`
		Feedbacks []operatorsView `json:"feedbacks"`
		Stats     feedbackStats   `json:"stats"`
		Count     int             `json:"count"`
		Next      string          `json:"next_cursor,omitempty"`
	}{Success: true, Feedbacks: make([]operatorsView, len(page.Entries)), Stats: feedbackStats(stats), Count: len(page.Entries)}
	for i, e := range page.Entries {
		answer.Feedbacks[i] = viewForOperator(e)
	}
	if page.Next != nil {
		answer.Next = encodeSequences(cursorOfFeedback, uint64(page.Next.Era), page.Next.Before) //nolint:gosec // It is never negative.
	}
	writeJSON(c, http.StatusOK, jsonType, answer)
	return nil
}

// feedbackFilter reads which feedback is meant. The original's page says "all" where it means no choice.
func feedbackFilter(c *gin.Context, faults []job.FieldError) (feedback.Filter, []job.FieldError) {
	var f feedback.Filter
	if category := c.Query("category"); category != "all" {
		f.Category = category
	}
	if len(f.Category) > 0 && len(feedback.CheckCategory("?category", f.Category)) > 0 {
		faults = append(faults, job.FieldError{Pointer: "?category", Code: "invalid_value"})
	}
	if status := c.Query("status"); status != "all" {
		var known []feedback.Status
		if known, faults = choices("?status", status, feedback.Statuses(), faults); len(known) == 1 {
			f.Status = known[0] // Both are no choice either.
		}
	}
	for name, at := range map[string]*time.Time{"from": &f.From, "to": &f.To} {
		if text := c.Query(name); text != "" {
			var err error
			if *at, err = time.Parse(time.RFC3339, text); err != nil {
				faults = append(faults, job.FieldError{Pointer: "?" + name, Code: "invalid_value"})
			}
		}
	}
	return f, faults
}

// feedbackCursor reads the cursor of a list of feedback; without one it begins with the newest.
func feedbackCursor(cursor string) (feedback.Place, bool) {
	if cursor == "" {
		return feedback.Place{}, true
	}
	places, ok := decodeSequences(cursorOfFeedback, cursor, 2)
	if !ok || places[0] > maxLimit {
		return feedback.Place{}, false
	}
	at := feedback.Place{Era: int(places[0]), Before: places[1]} //nolint:gosec // It was looked at just now.
	return at, at.Valid()
}

// markFeedback is POST /api/admin/feedback/:id/processed and /pending.
func (s *Server) markFeedback(status feedback.Status) handler {
	return func(c *gin.Context) error {
		ctx, cancel := bounded(c)
		defer cancel()
		e, err := s.deps.Feedback.Mark(ctx, c.Param("id"), status)
		if errors.Is(err, feedback.ErrNotFound) {
			return noFeedback()
		}
		s.audit(ctx, c, "mark feedback", err, slog.String("status", string(status)))
		if err != nil {
			return err
		}
		writeJSON(c, http.StatusOK, jsonType, viewForOperator(e))
		return nil
	}
}

// removeFeedback is DELETE /api/admin/feedback/:id.
func (s *Server) removeFeedback(c *gin.Context) error {
	ctx, cancel := bounded(c)
	defer cancel()
	_, err := s.deps.Feedback.Remove(ctx, c.Param("id"))
	if errors.Is(err, feedback.ErrNotFound) {
		return noFeedback()
	}
	s.audit(ctx, c, "delete feedback", err)
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	c.Writer.WriteHeaderNow()
	return nil
}

func noFeedback() *problem { return &problem{code: codeNotFound, reason: "feedback"} }
