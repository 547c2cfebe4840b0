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

// jobEvents is GET /api/jobs/:id/events: the states of one job as they come, until it has ended.
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
		// The caller has it all. No Content is what keeps a browser from coming back.
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

// headOfEvents answers HEAD: whether there is a stream to read.
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

// resumeSlack is how much earlier than the last event a stream of many jobs is taken up again: a job's end may have been
// stored a little before it was sent.
const resumeSlack = 5 * time.Second

// ownerEvents is GET /api/events: the states of all jobs of the caller, those to come included.
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
	// Whoever loses the stream before its first event comes back with this: a job that ends in between would escape him.
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

// eventTime is the id of an event of a stream of many jobs that is sent now.
func (h *eventHandler) eventTime() string { return strconv.FormatInt(h.now().UnixMilli(), 10) }

// sendJob writes the whole job as one event, which is named after the job's status.
func sendJob(st *stream, e feed.Event, id string) error {
	view := *e.Job
	data, err := respond.Encode(problem.Translate(&view, problem.Lang(st.c)))
	if err != nil {
		return err
	}
	return st.Send(string(e.Job.Status), id, data)
}

// lastEventID returns the last event that the caller has seen. The query stands in for the header where a program
// cannot set one; a browser that reconnects sends the header, which is newer.
func lastEventID(c *gin.Context) string {
	if id := c.GetHeader("Last-Event-ID"); id != "" {
		return id
	}
	return c.Query("last_event_id")
}

// since returns from when on a stream of many jobs is to be taken up; the zero time when the caller has seen none of it.
func since(eventID string) time.Time {
	ms, err := strconv.ParseInt(eventID, 10, 64)
	if err != nil || ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).Add(-resumeSlack)
}
