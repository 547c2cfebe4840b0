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

// hub follows one job, or all jobs of an owner, for all its readers: one subscription, one state, one regular reading
// and one estimate, whatever the number of readers.
type hub struct {
	feed    *Feed
	subject string
	owner   string
	// id is the job; empty in the hub of an owner.
	id     string
	sub    *nats.Subscription
	ctx    context.Context //nolint:containedctx // The life of the hub.
	cancel context.CancelFunc
	// ready is closed when the server knows about the subscription, or when err says that it does not.
	ready chan struct{}
	err   error
	// members are the readers and those that are being opened, guarded by the feed's lock.
	members int
	started sync.Once

	// active reads the jobs of the owner that have not ended, current the one job.
	active  sharedRead[[]*job.Snapshot]
	current sharedRead[*job.Snapshot]

	// mu guards what follows. It is never held across a request.
	mu      sync.Mutex
	known   *roster
	readers map[*Reader]struct{}
}

// join enters the hub of a subject, which is made when there is none, and returns when the server knows about its
// subscription. The hub outlives a caller that is gone before, as long as somebody else waits for it. The caller leaves
// it again.
func (f *Feed) join(ctx context.Context, subject, owner, id string) (*hub, error) {
	h, isNew, err := f.enterHub(subject, owner, id)
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
		h.leave()
		return nil, err
	}
	return h, nil
}

func (f *Feed) enterHub(subject, owner, id string) (h *hub, isNew bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h, ok := f.hubs[subject]; ok {
		h.members++
		return h, false, nil
	}
	h = &hub{
		feed: f, subject: subject, owner: owner, id: id, ready: make(chan struct{}), members: 1,
		known: newRoster(), readers: make(map[*Reader]struct{}),
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

// watched reports whether somebody follows a job already.
func (f *Feed) watched(owner, id string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hubs[broker.JobEventsSubject(owner, id)] != nil
}

// flushTimeout bounds the wait for the server to know about a subscription.
const flushTimeout = 5 * time.Second

// flush makes a new hub ready. One that the server may not know about is taken away, so that the next caller tries
// again.
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

// leave ends a member's part; the last one to leave ends the hub.
func (h *hub) leave() {
	h.feed.mu.Lock()
	defer h.feed.mu.Unlock()
	if h.members--; h.members == 0 {
		h.remove()
	}
}

// remove ends a hub, once. The feed's lock is held.
func (h *hub) remove() {
	if h.feed.hubs[h.subject] != h {
		return
	}
	delete(h.feed.hubs, h.subject)
	h.cancel()
	h.feed.positions.drop(h)
	_ = h.sub.Unsubscribe()
}

// attach makes a reader of the hub's events out of one that is being opened. It begins with the state of the jobs in
// snaps, which were read at a time after the hub had subscribed.
func (h *hub) attach(r *Reader, snaps []*job.Snapshot, read time.Time) {
	h.advance(r.ctx, h.open(snaps)...)
	h.started.Do(func() { h.feed.wg.Go(h.run) })
	h.feed.ticking.Do(func() { h.feed.wg.Go(h.feed.tickLoop) })
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers[r] = struct{}{}
	r.start(h, h.present(snaps, read))
}

// open returns those of the states that the other readers may not know yet. What ended before anybody here followed it is
// for the one reader alone that asked for it.
func (h *hub) open(snaps []*job.Snapshot) []*job.Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	open := make([]*job.Snapshot, 0, len(snaps))
	for _, snap := range snaps {
		if _, active := h.known.active[snap.Spec.ID]; active || snap.Record == nil {
			open = append(open, snap)
		}
	}
	return open
}

// present returns the events with which a reader begins. The hub's lock is held.
func (h *hub) present(snaps []*job.Snapshot, read time.Time) []Event {
	events := make([]Event, 0, len(snaps))
	shown := make(map[string]bool, len(snaps))
	for _, snap := range snaps {
		id := snap.Spec.ID
		shown[id] = true
		switch e, ok := h.known.last(id); {
		case ok && (snap.Record == nil || e.Snapshot.Record != nil):
			events = append(events, e)
		default:
			events = append(events, h.feed.event(snap))
		}
	}
	// What came to be while the jobs were read may have been told to the others already.
	for id, e := range h.known.active {
		if !shown[id] && e.entered.After(read) {
			events = append(events, e.Event)
		}
	}
	// A job may have come and ended meanwhile: no list has it.
	for id, e := range h.known.ended {
		if !shown[id] && e.entered.After(read) {
			events = append(events, e.Event)
		}
	}
	return events
}

// detach ends the part of a reader.
func (h *hub) detach(r *Reader) {
	h.mu.Lock()
	delete(h.readers, r)
	h.mu.Unlock()
	h.leave()
}

// advance tells the readers of those states that are news. It costs a few requests when there is a job among them that
// waits.
func (h *hub) advance(ctx context.Context, snaps ...*job.Snapshot) {
	var news []*job.Snapshot
	h.mu.Lock()
	for _, snap := range snaps {
		if h.known.isNews(snap) {
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
		if !h.known.enter(events[i]) {
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

// broadcast hands an event to every reader. The hub's lock is held.
func (h *hub) broadcast(e Event) {
	for r := range h.readers {
		if !r.push(e) {
			delete(h.readers, r)
		}
	}
}

// end ends every reader.
func (h *hub) end(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for r := range h.readers {
		r.cancel(err)
	}
}

// forget drops what is known of a job.
func (h *hub) forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known.forget(id)
	h.feed.positions.untrack(h, id)
}

// tickLimit is how many waiting jobs of one owner get a position each time.
const tickLimit = 20

// tick tells the readers of new places in the queue. Which ones come first is left to chance, so that each has its turn
// when there are many.
func (h *hub) tick(places map[string]position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	told := 0
	for id, place := range places {
		e, ok := h.known.active[id]
		if !ok || e.Snapshot.Status() != job.StatusQueued || !h.known.move(id, place) {
			continue
		}
		tick := Event{Snapshot: e.Snapshot, Job: h.feed.Show(e.Snapshot)}
		place.addTo(tick.Job)
		h.known.refresh(id, tick.Job)
		h.broadcast(tick)
		if told++; told == tickLimit {
			return
		}
	}
}
