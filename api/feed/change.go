package feed

import (
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// change is a stored write, as the broker republishes it.
type change struct {
	owner, id string
	queued    *job.Spec
	progress  *job.Progress
	record    *job.Record
}

// errMismatch is the fault of an event whose content is of another job than its subject.
var errMismatch = errors.New("subject and content name different jobs")

// receive handles one event. One that cannot be decoded is skipped: the periodic reread of the job makes up for it. It runs in
// the goroutine of the subscription, so changes are handled in their order.
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

// of reports whether a change is of the job with the given id.
func (n change) of(id string) bool {
	switch {
	case n.queued != nil:
		return n.queued.ID == id
	case n.progress != nil:
		return n.progress.ID == id
	}
	return n.record.Spec.ID == id
}

// handle publishes the state after a change.
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

// stateAfter returns the state of a job after a change, nil when it is no news. An unknown job is read: it may have ended long
// ago, since a repeated submission is announced as well. So is a job whose delivery number has fallen, since changes from
// before a reread arrive after it; the stored state decides. The periodic reread makes up for a failed one.
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
