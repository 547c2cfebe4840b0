package feed

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// hubKey identifies a hub: one job, or all jobs of an owner if id is empty.
type hubKey struct{ owner, id string }

// hub follows one job, or all jobs of an owner. Its readers share one state, one periodic reread and one estimate. It runs no
// goroutine while nothing happens.
type hub struct {
	feed *Feed
	hubKey
	ctx    context.Context //nolint:containedctx // The lifetime of the hub.
	cancel context.CancelFunc
	// refs counts the readers, including those being opened. The lock of the feed guards it.
	refs  int
	inbox inbox
	// due is when the hub is reread next, and slot its place in the schedule, whose lock guards both.
	due  time.Time
	slot int

	// active reads the unfinished jobs of the owner, current the one job.
	active  sharedRead[[]*job.Snapshot]
	current sharedRead[*job.Snapshot]

	// mu guards the fields below. It is never held during a request.
	mu      sync.Mutex
	tracker tracker
	readers []*Reader
}

// join returns a hub, creating it if needed, once the server has confirmed the subscription of the feed. The caller must release
// the hub.
func (f *Feed) join(ctx context.Context, key hubKey) (*hub, error) {
	h, sub, err := f.acquireHub(key)
	if err != nil {
		return nil, err
	}
	if err := sub.wait(ctx); err != nil {
		h.release()
		return nil, err
	}
	return h, nil
}

func (f *Feed) acquireHub(key hubKey) (*hub, *subscription, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := context.Cause(f.ctx); err != nil {
		return nil, nil, err
	}
	sub, err := f.subscribe()
	if err != nil {
		return nil, nil, err
	}
	h := f.hubs[key]
	if h == nil {
		h = &hub{feed: f, hubKey: key, tracker: newTracker(), slot: unscheduled}
		h.inbox.hub = h
		h.ctx, h.cancel = context.WithCancel(f.ctx)
		f.hubs[key] = h
	}
	h.refs++
	return h, sub, nil
}

// watched reports whether a job has a hub of its own.
func (f *Feed) watched(owner, id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hubs[hubKey{owner, id}] != nil
}

// Watched reports whether somebody follows a job, alone or with all jobs of its owner, and needs the events of its changes.
func (f *Feed) Watched(owner, id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hubs[hubKey{owner, id}] != nil || f.hubs[hubKey{owner, ""}] != nil
}

// release drops a reference and ends the hub with the last one.
func (h *hub) release() {
	h.feed.mu.Lock()
	defer h.feed.mu.Unlock()
	if h.refs--; h.refs == 0 {
		h.remove()
	}
}

// remove ends the hub, and the subscription with the last hub. Further calls do nothing. The caller holds the lock of the feed.
func (h *hub) remove() {
	if h.feed.hubs[h.hubKey] != h {
		return
	}
	delete(h.feed.hubs, h.hubKey)
	h.cancel()
	h.feed.rereads.remove(h)
	h.feed.positions.drop(h)
	if len(h.feed.hubs) == 0 {
		h.feed.unsubscribe()
	}
}

// attach starts a reader, which takes over the reference of the caller. Its first events are the states in snaps, which were
// read after the feed had subscribed, by a request that began at read.
func (h *hub) attach(ctx context.Context, r *Reader, snaps []*job.Snapshot, read time.Time) {
	h.publish(ctx, read, h.unseen(snaps)...)
	h.feed.background.Do(func() {
		h.feed.wg.Go(h.feed.tickLoop)
		h.feed.wg.Go(h.feed.rereadLoop)
	})
	h.feed.rereads.addIfAbsent(h)
	h.mu.Lock()
	defer h.mu.Unlock()
	r.start(h, h.initialEvents(snaps, read))
	h.readers = append(h.readers, r)
	if h.ctx.Err() != nil {
		// The feed has stopped since the reader acquired the hub.
		r.fail(ErrStopped)
	}
}

// unseen returns the states that may be new to the other readers. A job that ended before the hub followed it is only for the
// reader that resumes.
func (h *hub) unseen(snaps []*job.Snapshot) []*job.Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	unseen := make([]*job.Snapshot, 0, len(snaps))
	for _, snap := range snaps {
		if _, active := h.tracker.active(snap.Spec.ID); active || snap.Record == nil {
			unseen = append(unseen, snap)
		}
	}
	return unseen
}

// initialEvents returns the first events of a reader. The caller holds the lock of the hub.
func (h *hub) initialEvents(snaps []*job.Snapshot, read time.Time) []Event {
	events := make([]Event, 0, len(snaps))
	shown := make(map[string]bool, len(snaps))
	for _, snap := range snaps {
		id := snap.Spec.ID
		shown[id] = true
		switch e, ok := h.tracker.last(id); {
		case ok && (snap.Record == nil || e.Snapshot.Record != nil):
			events = append(events, e)
		default:
			events = append(events, h.feed.event(snap))
		}
	}
	// The hub may have sent events of jobs that were submitted, and even of some that have ended, while snaps were read.
	for id, e := range h.tracker.jobs {
		if !shown[id] && e.since.After(read) {
			events = append(events, e.Event)
		}
	}
	return events
}

// detach removes a reader.
func (h *hub) detach(r *Reader) {
	h.mu.Lock()
	if i := slices.Index(h.readers, r); i >= 0 {
		h.readers = slices.Delete(h.readers, i, i+1)
	}
	h.mu.Unlock()
	h.release()
}

// publish sends the states that are news to all readers. They were read, or compared with the last ones, at asOf. It makes a few requests if
// a queued job is among them.
func (h *hub) publish(ctx context.Context, asOf time.Time, snaps ...*job.Snapshot) {
	var news []*job.Snapshot
	h.mu.Lock()
	for _, snap := range snaps {
		if h.tracker.isNews(snap, asOf) {
			news = append(news, snap)
		}
	}
	h.mu.Unlock()
	if len(news) == 0 {
		return
	}
	events, places := h.feed.events(ctx, news)
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, snap := range news {
		if !h.tracker.record(events[i], asOf) {
			continue
		}
		if snap.Status() == job.StatusQueued {
			h.feed.positions.track(h, snap, places)
		} else {
			h.feed.positions.untrack(h, snap.Spec.ID)
		}
		h.broadcast(events[i])
	}
}

// broadcast queues an event for every reader. The caller holds the lock of the hub.
func (h *hub) broadcast(e Event) {
	if len(h.readers) > 1 {
		e.encodings = new(encodings)
	}
	h.readers = slices.DeleteFunc(h.readers, func(r *Reader) bool { return !r.push(e) })
}

// failReaders ends every reader with err.
func (h *hub) failReaders(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.readers {
		r.fail(err)
	}
}

// forget drops the state of a job.
func (h *hub) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tracker.forget(id)
	h.feed.positions.untrack(h, id)
}

// tickLimit is how many new positions a hub sends per tick.
const tickLimit = 20

// tick sends new queue positions to all readers. If there are more than tickLimit, the random order of the map varies which
// jobs are updated.
func (h *hub) tick(places map[string]position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	sent := 0
	for id, place := range places {
		if !h.tracker.setPosition(id, place) {
			continue
		}
		e := h.tracker.jobs[id]
		tick := Event{Snapshot: e.Snapshot, Job: h.feed.Show(e.Snapshot)}
		place.addTo(tick.Job)
		h.tracker.setJob(id, tick.Job)
		h.broadcast(tick)
		if sent++; sent == tickLimit {
			return
		}
	}
}
