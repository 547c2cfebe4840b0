package server

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/session"
	"github.com/text2image-audio/text2image-audio/api/server/internal/sse"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// eventHandler serves the event streams.
type eventHandler struct {
	jobs      *jobs.Service
	feed      *feed.Feed
	sessions  *session.Sessions
	limits    *streamLimits
	metrics   *telemetry.Metrics
	keepAlive time.Duration
	// outlive is middleware.outlive.
	outlive func(*gin.Context) (end func())
	// open counts the open streams.
	open sync.WaitGroup
	now  func() time.Time
	log  *slog.Logger
}

// jobEvents is GET /api/jobs/:id/events. It streams every state of one job until the job has ended.
func (h *eventHandler) jobEvents(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	id, caller, err := jobAndCaller(c, h.sessions)
	if err != nil {
		return err
	}
	if c.Request.Method == http.MethodHead {
		return h.headOfEvents(c, caller, id)
	}
	return h.stream(c, caller, "", func(ctx context.Context, s *stream) error {
		s.single = true
		return h.sessions.Find(ctx, caller, func(owners []string) (err error) {
			s.reader, err = h.feed.Watch(ctx, owners, id)
			return err
		})
	})
}

// headOfEvents responds to HEAD with the status and headers that GET would have.
func (h *eventHandler) headOfEvents(c *gin.Context, caller session.Caller, id string) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	snap, err := readJob(ctx, h.sessions, h.jobs, caller, id)
	if err != nil {
		return err
	}
	if ended(snap) && lastEventID(c) == job.EventIDEnd {
		c.Status(http.StatusNoContent)
	} else {
		sse.SetHeaders(c.Writer.Header())
	}
	c.Writer.WriteHeaderNow()
	return nil
}

// resumeSlack is how much earlier than the last event a stream of many jobs resumes: the end of a job may have been
// stored a little before its event was sent.
const resumeSlack = 5 * time.Second

// ownerEvents is GET /api/events. It streams every state of all jobs of the caller, including future ones.
func (h *eventHandler) ownerEvents(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	caller, err := namedCaller(c, h.sessions)
	if err != nil {
		return err
	}
	if c.Request.Method == http.MethodHead {
		sse.SetHeaders(c.Writer.Header())
		c.Writer.WriteHeaderNow()
		return nil
	}
	// A client that loses the stream before its first event resumes from this id. Without it the client would miss a job
	// that ends in between.
	start := ""
	if lastEventID(c) == "" {
		start = h.eventTime()
	}
	return h.stream(c, caller, start, func(ctx context.Context, s *stream) error {
		owners, err := h.sessions.Works(ctx, caller)
		if err != nil {
			return err
		}
		s.reader, err = h.feed.WatchOwners(ctx, owners, since(lastEventID(c)))
		return err
	})
}

// eventTime returns the id of an event that a stream of many jobs sends now.
func (h *eventHandler) eventTime() string { return strconv.FormatInt(h.now().UnixMilli(), 10) }

// lastEventID returns the id of the last event that the client has received. The query is for programs that cannot set
// the header; the header of a browser that reconnects is newer and takes precedence.
func lastEventID(c *gin.Context) string {
	if id := c.GetHeader("Last-Event-ID"); id != "" {
		return id
	}
	return c.Query("last_event_id")
}

// since returns the time from which a stream of many jobs resumes, or the zero time when the client has received no event.
func since(eventID string) time.Time {
	ms, err := strconv.ParseInt(eventID, 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).Add(-resumeSlack)
}
