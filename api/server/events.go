package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/problem"
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
	now       func() time.Time
}

// jobEvents is GET /api/jobs/:id/events. It streams every state of one job until the job has ended.
func (h *eventHandler) jobEvents(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	id, err := jobID(c)
	if err != nil {
		return err
	}
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	if c.Request.Method == http.MethodHead {
		return h.headOfEvents(c, caller, id)
	}
	release, err := h.limits.reserveStream(caller)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := lifetime.UntilStop(c.Request.Context())
	defer cancel()
	ctx, opened, cancelOpening := lifetime.Opening(ctx)
	defer cancelOpening()
	reader, err := h.feed.Watch(ctx, caller.Owners, id)
	opened()
	if stopping(err) {
		openAndEnd(c, "")
		return nil
	}
	if err != nil {
		return err
	}
	defer reader.Close()
	first, open := <-reader.Events()
	if !open && stopping(reader.Err()) {
		openAndEnd(c, "")
		return nil
	}
	if !open {
		return problem.Unavailable(reader.Err())
	}
	lastID := lastEventID(c)
	if first.ID == job.EventIDEnd && lastID == job.EventIDEnd {
		// The client has received everything. 204 keeps a browser from reconnecting.
		respond.Empty(c, http.StatusNoContent)
		return nil
	}
	st, err := openStream(c, "")
	if err != nil {
		return nil //nolint:nilerr // The caller is gone.
	}
	send := func(e feed.Event) error { return sendJob(st, e, e.ID) }
	if first.ID != lastID {
		if err := send(first); err != nil {
			h.countIfSlow(err)
			return nil
		}
	}
	h.pump(st, reader, send)
	return nil
}

// headOfEvents responds to HEAD with the status and headers that GET would have.
func (h *eventHandler) headOfEvents(c *gin.Context, caller session.Caller, id string) error {
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	snap, err := h.jobs.Read(ctx, caller.Owners, id)
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
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	if !caller.Named() {
		return problem.New(problem.CodeIdentity)
	}
	if c.Request.Method == http.MethodHead {
		sse.SetHeaders(c.Writer.Header())
		c.Writer.WriteHeaderNow()
		return nil
	}
	release, err := h.limits.reserveStream(caller)
	if err != nil {
		return err
	}
	defer release()
	ctx, cancel := lifetime.UntilStop(c.Request.Context())
	defer cancel()
	ctx, opened, cancelOpening := lifetime.Opening(ctx)
	defer cancelOpening()
	// A client that loses the stream before its first event resumes from this id. Without it the client would miss a job
	// that ends in between.
	start := ""
	if lastEventID(c) == "" {
		start = h.eventTime()
	}
	reader, err := h.feed.WatchOwner(ctx, caller.Owner, since(lastEventID(c)))
	opened()
	if stopping(err) {
		openAndEnd(c, start)
		return nil
	}
	if err != nil {
		return err
	}
	defer reader.Close()
	st, err := openStream(c, start)
	if err != nil {
		return nil //nolint:nilerr // The caller is gone.
	}
	h.pump(st, reader, func(e feed.Event) error {
		id := ""
		if e.ID != "" {
			id = h.eventTime()
		}
		return sendJob(st, e, id)
	})
	return nil
}

// eventTime returns the id of an event that a stream of many jobs sends now.
func (h *eventHandler) eventTime() string { return strconv.FormatInt(h.now().UnixMilli(), 10) }

// sendJob sends the whole job as one event, named after the status of the job.
func sendJob(st *stream, e feed.Event, id string) error {
	view := *e.Job
	data, err := respond.Encode(problem.Translate(&view, problem.Lang(st.c)))
	if err != nil {
		return err
	}
	return st.Send(string(e.Job.Status), id, data)
}

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
