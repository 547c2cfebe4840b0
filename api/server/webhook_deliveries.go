package server

import (
	"context"
	"errors"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/bind"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/webhook"
)

// deliveryView is a delivery as its owner sees it.
type deliveryView struct {
	ID            string          `json:"id"`
	Type          job.Event       `json:"type"`
	JobID         string          `json:"job_id,omitempty"`
	URL           string          `json:"url"`
	Timestamp     job.Time        `json:"timestamp"`
	State         webhook.State   `json:"state"`
	Attempts      int             `json:"attempts"`
	LastAttemptAt *job.Time       `json:"last_attempt_at,omitempty"`
	LastStatus    int             `json:"last_status,omitempty"`
	LastFailure   webhook.Failure `json:"last_failure,omitempty"`
	NextAttemptAt *job.Time       `json:"next_attempt_at,omitempty"`
}

func newDeliveryView(d *webhook.Delivery) deliveryView {
	v := deliveryView{
		ID: d.ID, Type: d.Event, JobID: d.JobID, URL: d.URL, Timestamp: d.At, State: d.State, Attempts: d.Attempts,
		LastAttemptAt: d.LastAttemptAt, LastStatus: d.LastStatus, LastFailure: d.LastFailure, NextAttemptAt: d.NextAttemptAt,
	}
	if d.State == webhook.StatePending && d.NextAttemptAt == nil {
		v.NextAttemptAt = &d.At // The first attempt is due at once.
	}
	return v
}

// listDeliveries is GET /api/webhooks/deliveries, newest event first.
func (h *webhookHandler) listDeliveries(c *gin.Context, m *session.Member) error {
	var b bind.Binder
	limit := b.Number(c, "limit", defaultLimit, 1, maxLimit)
	if err := b.Err(); err != nil {
		return err
	}
	after := ""
	if text := c.Query("cursor"); text != "" {
		parts, ok := decodeCursor(cursorDeliveries, text, 1)
		if !ok || !job.ValidToken(parts[0]) {
			return problem.New(problem.CodeInvalidCursor)
		}
		after = parts[0]
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	list, more, err := h.hooks.List(ctx, m.User.Owner(), after, limit)
	if err != nil {
		return err
	}
	reply := struct {
		Deliveries []deliveryView `json:"deliveries"`
		Next       string         `json:"next_cursor,omitempty"`
	}{Deliveries: make([]deliveryView, len(list))}
	for i, d := range list {
		reply.Deliveries[i] = newDeliveryView(d)
	}
	if more {
		reply.Next = encodeCursor(cursorDeliveries, list[len(list)-1].ID)
	}
	return respondPrivate(c, http.StatusOK, reply)
}

// redeliver is POST /api/webhooks/deliveries/:id/redeliver.
func (h *webhookHandler) redeliver(c *gin.Context, m *session.Member) error {
	return h.send(c, m, func(ctx context.Context) (*webhook.Delivery, error) {
		d, err := h.hooks.Redeliver(ctx, m.User.Owner(), c.Param("id"))
		if errors.Is(err, webhook.ErrNotFound) {
			err = problem.Because(problem.CodeNotFound, "delivery")
		}
		return d, err
	})
}

// ping is POST /api/webhooks/ping.
func (h *webhookHandler) ping(c *gin.Context, m *session.Member) error {
	var req struct {
		URL *string `json:"url"`
	}
	b, err := bind.Optional(c, &req)
	if err != nil {
		return err
	}
	url := ""
	if req.URL != nil {
		url = *req.URL
		h.checkURL(b, "/url", url)
	}
	if err := b.Err(); err != nil {
		return err
	}
	return h.send(c, m, func(ctx context.Context) (*webhook.Delivery, error) {
		d, err := h.hooks.Ping(ctx, m.User.Owner(), url)
		if errors.Is(err, webhook.ErrNoURL) {
			err = problem.Invalid(job.FieldError{Pointer: "/url", Code: "required"})
		}
		return d, err
	})
}

// send responds with the delivery that do stores, if the member may request one now.
func (h *webhookHandler) send(c *gin.Context, m *session.Member, do func(context.Context) (*webhook.Delivery, error)) error {
	if err := h.sessions.RequireVerified(m); err != nil {
		return err
	}
	if err := take(h.sends, m.User.Owner()); err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	d, err := do(ctx)
	if err != nil {
		return err
	}
	if err := h.owners.undoIfDeleted(ctx, m, h.hooks.Erase); err != nil {
		return err
	}
	return respondPrivate(c, http.StatusAccepted, newDeliveryView(d))
}
