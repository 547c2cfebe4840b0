package server

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/server/internal/lifetime"
	"github.com/text2image-audio/text2image-audio/api/server/internal/respond"
	"github.com/text2image-audio/text2image-audio/api/server/internal/sse"
	"github.com/text2image-audio/text2image-audio/pkg/batch"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// batchEventName is the name of the events with the counts of a batch.
const batchEventName = "batch"

// batchEvents is GET /api/batches/:id/events. It streams the counts of a batch and every state of its jobs until all have ended.
func (h *batchHandler) batchEvents(c *gin.Context) error {
	respond.Vary(c, "Accept-Language", "Cookie")
	caller, err := h.sessions.Caller(c)
	if err != nil {
		return err
	}
	ctx, cancel := lifetime.Bounded(c.Request.Context())
	defer cancel()
	b, err := h.batchOf(ctx, c)
	if err != nil {
		return err
	}
	if lastEventID(c) == job.EventIDEnd {
		// The client has received everything. 204 keeps a browser from reconnecting.
		respond.Empty(c, http.StatusNoContent)
		return nil
	}
	if c.Request.Method == http.MethodHead {
		sse.SetHeaders(c.Writer.Header())
		c.Writer.WriteHeaderNow()
		return nil
	}
	return h.events.stream(c, caller, "", func(ctx context.Context, s *stream) error {
		// The reader is opened before the jobs are read, so that no change in between is missed.
		reader, err := h.feed.WatchOwners(ctx, []string{b.Owner}, time.Time{})
		if err != nil {
			return err
		}
		s.reader, s.batch = reader, &batchProgress{handler: h, batch: b, status: make(map[string]job.Status, b.Jobs)}
		return s.batch.read(ctx, since(lastEventID(c)))
	})
}

// batchProgress is what an event stream of a batch has sent of its jobs.
type batchProgress struct {
	handler *batchHandler

	mu    sync.Mutex
	batch *batch.Batch
	// status has the latest known status of each job. One that has ended does not change, except that it may be removed.
	status   map[string]job.Status
	finished *job.Time
	// unsent are jobs whose end no event of the reader has shown. As long as there are any, events have no id, since a client that
	// resumes from one would miss the others.
	unsent []*job.Snapshot
	// begun is set once something was sent, changed if the counts have changed since they were sent, and done after the last event.
	begun, changed, done bool
}

// read brings the states up to date from the store: at the start, and while the stream is silent, because no event tells of the
// removal of a job. Jobs that ended before since are not sent. It costs as much as batch.Service.Get and Jobs.
func (p *batchProgress) read(ctx context.Context, since time.Time) error {
	p.mu.Lock()
	owner, id := p.batch.Owner, p.batch.ID
	p.mu.Unlock()
	b, err := p.handler.batches.Get(ctx, []string{owner}, id)
	if err != nil {
		return err
	}
	found, err := p.handler.batches.Jobs(ctx, b)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed = p.changed || len(p.status) == 0 || b.State != p.batch.State
	p.batch = b
	for _, id := range b.JobIDs() {
		snap := found[id]
		if !p.set(id, statusIn(b, snap)) || snap == nil || snap.Record == nil {
			continue
		}
		p.note(snap)
		if !snap.Record.FinishedAt.Before(since) {
			p.unsent = append(p.unsent, snap)
		}
	}
	return nil
}

// set records the status of a job, and reports whether it is news. The caller holds the lock.
func (p *batchProgress) set(id string, status job.Status) bool {
	old := p.status[id]
	if old == status || old == statusRemoved || (old.Terminal() && status != statusRemoved) {
		return false
	}
	p.status[id], p.changed = status, true
	return true
}

// note records when a job ended. The caller holds the lock.
func (p *batchProgress) note(snap *job.Snapshot) {
	if end := snap.Record.FinishedAt; p.finished == nil || end.After(p.finished.Time) {
		p.finished = &end
	}
}

// next returns the next event of the stream: the counts, then the ended jobs, then what the reader has, and the counts again whenever it
// has no more and they have changed. It fails as feed.Reader.Next does, and with io.EOF after the last event.
func (p *batchProgress) next(s *stream) (sse.Event, error) {
	if p.begin() {
		return p.counts()
	}
	for {
		if snap := p.pop(); snap != nil {
			return s.encode(feed.Event{Snapshot: snap, Job: p.handler.feed.Show(snap)})
		}
		e, err := s.reader.Next()
		switch {
		case errors.Is(err, feed.ErrNone):
			return p.counts()
		case err != nil:
			return nil, err
		case p.shows(e):
			return s.encode(e)
		}
	}
}

// begin reports whether nothing has been sent yet.
func (p *batchProgress) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	begun := p.begun
	p.begun = true
	return !begun
}

// pop returns the next of the unsent jobs, or nil.
func (p *batchProgress) pop() *job.Snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.unsent) == 0 {
		return nil
	}
	snap := p.unsent[0]
	p.unsent = p.unsent[1:]
	return snap
}

// shows records an event of a reader and reports whether the stream sends it.
func (p *batchProgress) shows(e feed.Event) bool {
	spec := e.Snapshot.Spec
	p.mu.Lock()
	defer p.mu.Unlock()
	old, ours := p.status[spec.ID]
	if !ours || spec.Batch != p.batch.ID || old.Terminal() || old == statusRemoved {
		return false
	}
	p.set(spec.ID, e.Snapshot.Status())
	if e.Snapshot.Record != nil {
		p.note(e.Snapshot)
	}
	return true
}

// counts returns the event with the counts if they have changed, and the last event, whose id says so, when all jobs have ended and
// were sent.
func (p *batchProgress) counts() (sse.Event, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	v := headOf(p.batch)
	v.Counts, v.Status = noCounts(), batchFinished
	for _, status := range p.status {
		v.Counts[status]++
		if !status.Terminal() && status != statusRemoved {
			v.Status = batchRunning
		}
	}
	if p.batch.State == batch.StateAccepting {
		v.Status = batchAccepting
	}
	last := v.Status == batchFinished && len(p.unsent) == 0
	switch {
	case p.done:
		return nil, io.EOF
	case !p.changed && !last:
		return nil, feed.ErrNone
	}
	p.changed, p.done = false, last
	if v.Status == batchFinished {
		v.FinishedAt = p.finished
	}
	id := ""
	switch {
	case last:
		id = job.EventIDEnd
	case len(p.unsent) == 0:
		id = p.handler.events.eventTime()
	}
	data, err := respond.Encode(v)
	return sse.NewEvent(batchEventName, id, data), err
}
