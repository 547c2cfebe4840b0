package feed

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// hub follows one job, or all jobs of an owner. Its readers share one subscription, one state, one periodic reread and one
// estimate.
type hub struct {
	feed    *Feed
	subject string
	owner   string
	// id is the ID of the job, or empty for all jobs of the owner.
	id     string
	sub    *nats.Subscription
	ctx    context.Context //nolint:containedctx // The lifetime of the hub.
	cancel context.CancelFunc
	// ready is closed when the server has confirmed the subscription or it has failed with err.
	ready chan struct{}
	err   error
	// refs counts the readers, including those being opened. The lock of the feed guards it.
	refs    int
	started sync.Once

	// active reads the unfinished jobs of the owner, current the one job.
	active  sharedRead[[]*job.Snapshot]
	current sharedRead[*job.Snapshot]

	// mu guards the fields below. It is never held during a request.
	mu      sync.Mutex
	tracker *tracker
	readers map[*Reader]struct{}
}

// join returns the hub of a subject, creating it if needed, once the server has confirmed its subscription. A caller whose
// context ends earlier does not end the hub for others. The caller must release the hub.
func (f *Feed) join(ctx context.Context, subject, owner, id string) (*hub, error) {
	h, isNew, err := f.acquireHub(subject, owner, id)
	if err != nil {
		return nil, err
	}
	if isNew {
		f.wg.Go(h.flush)
	}
	select {
	case <-h.ready:
		err = h.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		h.release()
		return nil, err
	}
	return h, nil
}

func (f *Feed) acquireHub(subject, owner, id string) (h *hub, isNew bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h, ok := f.hubs[subject]; ok {
		h.refs++
		return h, false, nil
	}
	h = &hub{
		feed: f, subject: subject, owner: owner, id: id, ready: make(chan struct{}), refs: 1,
		tracker: newTracker(), readers: make(map[*Reader]struct{}),
	}
	h.ctx, h.cancel = context.WithCancel(f.ctx)
	h.sub, err = f.nc.Subscribe(subject, h.receive)
	if err != nil {
		h.cancel()
		return nil, false, fmt.Errorf("subscribe to events: %w", err)
	}
	f.hubs[subject] = h
	return h, true, nil
}

// watched reports whether a job has a hub of its own.
func (f *Feed) watched(owner, id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hubs[broker.JobEventsSubject(owner, id)] != nil
}

// flushTimeout bounds the wait for the server to confirm a subscription.
const flushTimeout = 5 * time.Second

// flush waits for the server to confirm the subscription of a new hub. If that fails, the hub is removed, so that the next
// caller subscribes again.
func (h *hub) flush() {
	defer close(h.ready)
	ctx, cancel := context.WithTimeout(h.ctx, flushTimeout)
	defer cancel()
	if err := h.feed.nc.FlushWithContext(ctx); err != nil {
		if cause := context.Cause(h.ctx); cause != nil {
			err = cause
		}
		h.err = fmt.Errorf("subscribe to events: %w", err)
		h.feed.mu.Lock()
		defer h.feed.mu.Unlock()
		h.remove()
	}
}

// release drops a reference and ends the hub with the last one.
func (h *hub) release() {
	h.feed.mu.Lock()
	defer h.feed.mu.Unlock()
	if h.refs--; h.refs == 0 {
		h.remove()
	}
}

// remove ends the hub. Further calls do nothing. The caller holds the lock of the feed.
func (h *hub) remove() {
	if h.feed.hubs[h.subject] != h {
		return
	}
	delete(h.feed.hubs, h.subject)
	h.cancel()
	h.feed.positions.drop(h)
	_ = h.sub.Unsubscribe()
}

// attach starts a reader, which takes over the reference of the caller. Its first events are the states in snaps, which were
// read after the hub had subscribed, by a request that began at read.
func (h *hub) attach(r *Reader, snaps []*job.Snapshot, read time.Time) {
	h.publish(r.ctx, h.unseen(snaps)...)
	h.started.Do(func() { h.feed.wg.Go(h.run) })
	h.feed.ticking.Do(func() { h.feed.wg.Go(h.feed.tickLoop) })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers[r] = struct{}{}
	r.start(h, h.initialEvents(snaps, read))
}

// unseen returns the states that may be new to the other readers. A job that ended before the hub followed it is only for the
// reader that resumes.
func (h *hub) unseen(snaps []*job.Snapshot) []*job.Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	unseen := make([]*job.Snapshot, 0, len(snaps))
	for _, snap := range snaps {
		if _, active := h.tracker.active[snap.Spec.ID]; active || snap.Record == nil {
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
	// The hub may have sent events of jobs that were submitted while snaps were read.
	for id, e := range h.tracker.active {
		if !shown[id] && e.since.After(read) {
			events = append(events, e.Event)
		}
	}
	// A job may even have been submitted and have ended meanwhile.
	for id, e := range h.tracker.ended {
		if !shown[id] && e.since.After(read) {
			events = append(events, e.Event)
		}
	}
	return events
}

// detach removes a reader.
func (h *hub) detach(r *Reader) {
	h.mu.Lock()
	delete(h.readers, r)
	h.mu.Unlock()
	h.release()
}

// publish sends the states that are news to all readers. It makes a few requests if a queued job is among them.
func (h *hub) publish(ctx context.Context, snaps ...*job.Snapshot) {
	var news []*job.Snapshot
	h.mu.Lock()
	for _, snap := range snaps {
		if h.tracker.isNews(snap) {
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
		if !h.tracker.record(events[i]) {
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
	for r := range h.readers {
		if !r.push(e) {
			delete(h.readers, r)
		}
	}
}

// cancelReaders ends every reader with err.
func (h *hub) cancelReaders(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.readers {
		r.cancel(err)
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
		e, ok := h.tracker.active[id]
		if !ok || e.Snapshot.Status() != job.StatusQueued || !h.tracker.setPosition(id, place) {
			continue
		}
		tick := Event{Snapshot: e.Snapshot, Job: h.feed.Show(e.Snapshot)}
		place.addTo(tick.Job)
		h.tracker.setJob(id, tick.Job)
		h.broadcast(tick)
		if sent++; sent == tickLimit {
			return
		}
	}
}
