package feed

import (
	"errors"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// notice is a stored write, as the broker tells of it.
type notice struct {
	owner, id string
	queued    *job.Spec
	progress  *job.Progress
	record    *job.Record
}

// errForeign is the fault of an event that is not about the job that its subject names.
var errForeign = errors.New("not of the job that its subject names")

// receive reads one event. What cannot be read is passed over: the regular reading of the job makes up for it. It runs in
// the goroutine of the subscription, so notices are handled in their order.
func (h *hub) receive(m *nats.Msg) {
	event, owner, id, ok := broker.ParseEventSubject(m.Subject)
	if !ok || len(m.Data) == 0 {
		return
	}
	n := notice{owner: owner, id: id}
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
		err = errForeign
	}
	if err != nil {
		h.feed.log.DebugContext(h.ctx, "unreadable event skipped", "error", err)
		return
	}
	leave, err := h.feed.enter()
	if err != nil {
		return
	}
	defer leave()
	h.handle(n)
}

// of reports whether the write that a notice tells of is of the job with the given id.
func (n notice) of(id string) bool {
	switch {
	case n.queued != nil:
		return n.queued.ID == id
	case n.progress != nil:
		return n.progress.ID == id
	}
	return n.record.Spec.ID == id
}

// handle advances to the state after a notice.
func (h *hub) handle(n notice) {
	h.mu.Lock()
	gone := h.known.gone(n.id)
	var last *job.Snapshot
	if e, ok := h.known.active[n.id]; ok {
		last = e.Snapshot
	}
	h.mu.Unlock()
	if gone && n.queued == nil {
		return
	}
	snap := h.after(last, n)
	if snap == nil {
		return
	}
	if gone && snap.Record == nil {
		// The job was deleted, and its idempotency key was used again.
		h.forget(n.id)
	}
	h.advance(h.ctx, snap)
}

// after returns the state of a job after a notice, nil when it is no news. A job that was not known is read: it may have
// ended long ago, for a submission that is repeated is told too. So is one whose delivery number has fallen, since
// notices from before a reading come after it; what is stored decides. A reading that fails is made up for by the
// regular one.
func (h *hub) after(last *job.Snapshot, n notice) *job.Snapshot {
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
