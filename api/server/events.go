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

// jobEvents is GET /api/jobs/:id/events: every state of one job, until it has ended.
func (h *eventHandler) jobEvents(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	id, err := jobID(c)
	if err != nil {
		return err
	}
	if c.Request.Method == http.MethodHead {
		return h.headOfEvents(c, id)
	}
	who, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	free, err := h.limits.reserveStream(who)
	if err != nil {
		return err
	}
	defer free()
	ctx, release := lifetime.UntilStop(c.Request.Context())
	defer release()
	ctx, opened, end := lifetime.Opening(ctx)
	defer end()
	reader, err := h.feed.Watch(ctx, who.Owners, id)
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
	known := lastEventID(c)
	if first.ID == job.EventIDEnd && known == job.EventIDEnd {
		// The client has received everything. 204 keeps a browser from reconnecting.
		respond.Empty(c, http.StatusNoContent)
		return nil
	}
	st, err := openStream(c, "")
	if err != nil {
		return nil //nolint:nilerr // The caller is gone.
	}
	show := func(e feed.Event) error { return sendJob(st, e, e.ID) }
	if first.ID != known {
		if err := show(first); err != nil {
			h.countSlow(err)
			return nil
		}
	}
	h.pump(st, reader, show)
	return nil
}

// headOfEvents responds to HEAD: whether there is a stream to read.
func (h *eventHandler) headOfEvents(c *gin.Context, id string) error {
	who, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	snap, err := h.jobs.Read(ctx, who.Owners, id)
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

// ownerEvents is GET /api/events: every state of all jobs of the caller, including future ones.
func (h *eventHandler) ownerEvents(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	who, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	if !who.Named() {
		return problem.New(problem.CodeIdentity)
	}
	if c.Request.Method == http.MethodHead {
		sse.SetHeaders(c.Writer.Header())
		c.Writer.WriteHeaderNow()
		return nil
	}
	free, err := h.limits.reserveStream(who)
	if err != nil {
		return err
	}
	defer free()
	ctx, release := lifetime.UntilStop(c.Request.Context())
	defer release()
	ctx, opened, end := lifetime.Opening(ctx)
	defer end()
	// A client that loses the stream before its first event resumes with this id: it would otherwise miss a job that ends
	// in between.
	start := ""
	if lastEventID(c) == "" {
		start = h.eventTime()
	}
	reader, err := h.feed.WatchOwner(ctx, who.Owner, since(lastEventID(c)))
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

// eventTime is the id of an event that a stream of many jobs sends now.
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

// lastEventID returns the last event that the client has received. The query replaces the header for programs that
// cannot set one; a browser that reconnects sends the header, which is newer.
func lastEventID(c *gin.Context) string {
	if id := c.GetHeader("Last-Event-ID"); id != "" {
		return id
	}
	return c.Query("last_event_id")
}

// since returns the time at which a stream of many jobs resumes, the zero time when the client has received none of it.
func since(eventID string) time.Time {
	ms, err := strconv.ParseInt(eventID, 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).Add(-resumeSlack)
}
