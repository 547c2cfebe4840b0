package feed

import (
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// change is a write to a stream, as NATS republishes it.
type change struct {
	owner, id string
	queued    *job.Spec
	progress  *job.Progress
	record    *job.Record
}

// errMismatch reports an event whose data belongs to another job than its subject.
var errMismatch = errors.New("subject and content name different jobs")

// receive handles an event. An event that cannot be decoded is skipped: the periodic reread makes up for it. receive runs in the
// goroutine of the subscription, so changes are handled in order.
func (h *hub) receive(m *nats.Msg) {
	event, owner, id, ok := broker.ParseEventSubject(m.Subject)
	if !ok || len(m.Data) == 0 {
		return
	}
	n := change{owner: owner, id: id}
	var err error
	switch event {
	case broker.EventQueued:
		n.queued, err = job.DecodeSpec(m.Data)
	case broker.EventProgress:
		n.progress, err = job.DecodeProgress(m.Data)
	case broker.EventResult:
		n.record, err = job.DecodeRecord(m.Data)
	default:
		return
	}
	if err == nil && !n.of(id) {
		err = errMismatch
	}
	if err != nil {
		h.feed.log.DebugContext(h.ctx, "unreadable event skipped", "error", err)
		return
	}
	release, err := h.feed.acquire()
	if err != nil {
		return
	}
	defer release()
	h.handle(n)
}

// of reports whether the data of a change belongs to the job with the given ID.
func (n change) of(id string) bool {
	switch {
	case n.queued != nil:
		return n.queued.ID == id
	case n.progress != nil:
		return n.progress.ID == id
	}
	return n.record.Spec.ID == id
}

// handle publishes the state of a job after a change.
func (h *hub) handle(n change) {
	h.mu.Lock()
	ended := h.tracker.hasEnded(n.id)
	var last *job.Snapshot
	if e, ok := h.tracker.active[n.id]; ok {
		last = e.Snapshot
	}
	h.mu.Unlock()
	if ended && n.queued == nil {
		return
	}
	snap := h.stateAfter(last, n)
	if snap == nil {
		return
	}
	if ended && snap.Record == nil {
		// The job was deleted, and its idempotency key was used again.
		h.forget(n.id)
	}
	h.publish(h.ctx, snap)
}

// stateAfter returns the state of a job after a change, or nil if it is unchanged or cannot be read; the periodic reread makes
// up for that. An unknown job is read, because a repeated submission also sends an event and the job may have ended long
// ago. A job whose delivery number has decreased is read too, because events from before a reread can arrive after it.
func (h *hub) stateAfter(last *job.Snapshot, n change) *job.Snapshot {
	switch {
	case n.record != nil:
		return &job.Snapshot{Spec: n.record.Spec, Record: n.record}
	case last == nil || n.progress != nil && last.Progress != nil && n.progress.Delivery < last.Progress.Delivery:
		read, err := h.feed.jobs.Read(h.ctx, []string{n.owner}, n.id)
		if err != nil {
			return nil
		}
		return read
	case n.progress != nil:
		next := *last
		next.Progress = n.progress
		return &next
	}
	return nil
}
