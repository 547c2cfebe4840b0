package feed

import (
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// change is a write to a stream, as NATS republishes it.
type change struct {
	event, owner, id string
	data             []byte

	// decoding decodes the data once for the hub of the job and that of the owner.
	decoding sync.Once
	err      error
	queued   *job.Spec
	progress *job.Progress
	record   *job.Record
}

// errMismatch reports an event whose data belongs to another job than its subject.
var errMismatch = errors.New("subject and content name different jobs")

// receive passes an event to the hubs of its job and its owner. It runs in the goroutine of the subscription, for the events of all
// jobs in order, so it neither decodes nor waits.
func (f *Feed) receive(m *nats.Msg) {
	event, owner, id, ok := broker.ParseEventSubject(m.Subject)
	if !ok || len(m.Data) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ctx.Err() != nil {
		return
	}
	var c *change
	for _, key := range [...]hubKey{{owner, id}, {owner, ""}} {
		if h := f.hubs[key]; h != nil {
			if c == nil {
				c = &change{event: event, owner: owner, id: id, data: m.Data}
			}
			h.inbox.add(c)
		}
	}
}

// maxInbox bounds the events that wait for a hub, which may have to wait for NATS.
const maxInbox = 256

// inbox holds the events that a hub has not handled. One goroutine handles them in order and ends when there are none.
type inbox struct {
	hub *hub

	mu      sync.Mutex
	events  []*change
	running bool
	// missed is set when an event did not fit. A reread makes up for it.
	missed bool
}

// add adds an event. The caller holds the lock of the feed, which has not stopped.
func (b *inbox) add(c *change) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) >= b.hub.feed.maxInbox {
		b.missed = true
		return
	}
	b.events = append(b.events, c)
	if !b.running {
		b.running = true
		b.hub.feed.wg.Go(b.run)
	}
}

// take removes and returns the oldest event, or nil. missed reports that events are missing after the last one.
func (b *inbox) take() (c *change, missed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.events) > 0 {
		c, b.events[0] = b.events[0], nil
		b.events = b.events[1:]
		return c, false
	}
	b.events = nil
	missed, b.missed = b.missed, false
	b.running = missed
	return nil, missed
}

func (b *inbox) run() {
	for {
		switch c, missed := b.take(); {
		case c != nil:
			b.hub.handle(c)
		case missed:
			b.hub.reread()
		default:
			return
		}
	}
}

// decode decodes the data of a change. It fails if that is not possible, or if the data belongs to another job.
func (c *change) decode() error {
	c.decoding.Do(func() {
		switch c.event {
		case broker.EventQueued:
			c.queued, c.err = job.DecodeSpec(c.data)
		case broker.EventProgress:
			c.progress, c.err = job.DecodeProgress(c.data)
		case broker.EventResult:
			c.record, c.err = job.DecodeRecord(c.data)
		default:
			c.err = errors.New("unknown event")
		}
		c.data = nil
		if c.err == nil && c.idInData() != c.id {
			c.err = errMismatch
		}
	})
	return c.err
}

func (c *change) idInData() string {
	switch {
	case c.queued != nil:
		return c.queued.ID
	case c.progress != nil:
		return c.progress.ID
	}
	return c.record.Spec.ID
}

// handle publishes the state of a job after a change. An event that cannot be decoded is skipped: the periodic reread makes up for
// it.
func (h *hub) handle(c *change) {
	if err := c.decode(); err != nil {
		h.feed.log.DebugContext(h.ctx, "unreadable event skipped", "error", err)
		return
	}
	h.mu.Lock()
	asOf, ended := time.Now(), h.tracker.hasEnded(c.id)
	var last *job.Snapshot
	if e, ok := h.tracker.active(c.id); ok {
		last = e.Snapshot
	}
	h.mu.Unlock()
	if ended && c.queued == nil {
		return
	}
	snap := h.stateAfter(last, c)
	if snap == nil {
		return
	}
	if ended && snap.Record == nil {
		// The job was deleted, and its idempotency key was used again.
		h.forget(c.id)
	}
	h.publish(h.ctx, asOf, snap)
}

// stateAfter returns the state of a job after a change, or nil if it is unchanged or cannot be read; the periodic reread makes
// up for that. An unknown job is read, because a repeated submission also sends an event and the job may have ended long
// ago. A job whose delivery number has decreased is read too, because events from before a reread can arrive after it.
func (h *hub) stateAfter(last *job.Snapshot, c *change) *job.Snapshot {
	switch {
	case c.record != nil:
		return &job.Snapshot{Spec: c.record.Spec, Record: c.record}
	case last == nil || c.progress != nil && last.Progress != nil && c.progress.Delivery < last.Progress.Delivery:
		read, err := h.feed.jobs.Read(h.ctx, []string{c.owner}, c.id)
		if err != nil {
			return nil
		}
		return read
	case c.progress != nil:
		next := *last
		next.Progress = c.progress
		return &next
	}
	return nil
}
