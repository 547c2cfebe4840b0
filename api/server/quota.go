package server

import (
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// quotaHandler serves the quota of the caller.
type quotaHandler struct {
	submitter *jobs.Submitter
	sessions  *session.Sessions
	problems  *problem.Writer
	now       func() time.Time
}

// quotaView is the response of GET /api/quota: the windows of images and audio, and those of texts.
type quotaView struct {
	Lane job.Lane `json:"lane"`
	windowsView
	Text windowsView `json:"text"`
}

// windowsView holds the windows of one group. A window without a limit is null.
type windowsView struct {
	Minute  *windowView `json:"minute"`
	Day     *windowView `json:"day"`
	Address *windowView `json:"address"`
	// KeyMinute and KeyDay are those of the API key of the request, absent without one or without such a limit.
	KeyMinute *windowView `json:"key_minute,omitempty"`
	KeyDay    *windowView `json:"key_day,omitempty"`
}

type windowView struct {
	Limit     int      `json:"limit"`
	Remaining int      `json:"remaining"`
	ResetsAt  job.Time `json:"resets_at"`
	ResetsIn  int      `json:"resets_in"`
}

// getQuota is GET /api/quota.
func (h *quotaHandler) getQuota(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	list, err := h.submitter.Usage(ctx, caller.Submitter(c))
	if err != nil {
		return err
	}
	view := quotaView{Lane: caller.Lane}
	for _, u := range list {
		group := &view.windowsView
		if u.Group == quota.GroupText {
			group = &view.Text
		}
		w := &windowView{u.Limit, u.Remaining(), job.At(u.Ends), u.Wait(h.now())}
		switch u.Window {
		case quota.WindowMinute:
			group.Minute = w
		case quota.WindowDay:
			group.Day = w
		case quota.WindowAddress:
			group.Address = w
		case quota.WindowKeyMinute:
			group.KeyMinute = w
		case quota.WindowKeyDay:
			group.KeyDay = w
		}
	}
	h.problems.SetUsage(c, list)
	c.Header("Cache-Control", "no-store")
	respond.JSON(c, http.StatusOK, view)
	return nil
}
