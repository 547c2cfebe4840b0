package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

const (
	// readerBuffer is how many events may wait for the consumer of a Reader.
	readerBuffer = 16
	// readerQueue is how many more may wait before it counts as slow.
	readerQueue = 256
	// slowTimeout is for how long its consumer may receive nothing while the buffer is full.
	slowTimeout = 10 * time.Second
)

// Reader is one consumer of events.
type Reader struct {
	events chan Event
	ctx    context.Context //nolint:containedctx // The life of the reader.
	cancel context.CancelCauseFunc
	// detach stops waiting for the end of the feed.
	detach func() bool
	done   chan struct{}
	err    error
	// slowTimeout is the feed's.
	slowTimeout time.Duration
	// single says that the reader ends with the end of a job.
	single bool

	mu    sync.Mutex
	queue []Event
	limit int
	wake  chan struct{}
}

func newReader(ctx context.Context, f *Feed) *Reader {
	r := &Reader{
		events: make(chan Event, readerBuffer), done: make(chan struct{}), wake: make(chan struct{}, 1), slowTimeout: f.slowTimeout,
	}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	// A reader ends with its own context or with the feed, whichever is first.
	r.detach = context.AfterFunc(f.ctx, func() { r.cancel(ErrStopped) })
	return r
}

// Events returns the channel of events. It is closed after a terminal event of a single job, when the reader was too
// slow and when the feed stops; Err then says which. What an event points to is shared with other readers.
func (r *Reader) Events() <-chan Event { return r.events }

// Err returns why the channel was closed: nil after a terminal event. It waits for the close.
func (r *Reader) Err() error {
	<-r.done
	return r.err
}

// Close ends the reader. It may be called more than once.
func (r *Reader) Close() { r.cancel(context.Canceled) }

// abandon ends a reader that could not be attached because of err, and returns the reason: the end of its context or of the
// feed if there was one, since that is what failed the requests.
func (r *Reader) abandon(f *Feed, err error) error {
	if !errors.Is(err, jobs.ErrNotFound) {
		for _, ctx := range []context.Context{f.ctx, r.ctx} {
			if cause := context.Cause(ctx); cause != nil {
				err = cause
			}
		}
	}
	r.detach()
	r.cancel(err)
	return err
}

// finish sends one event and ends the reader.
func (r *Reader) finish(e Event) {
	r.events <- e
	close(r.events)
	close(r.done)
	r.detach()
	r.cancel(nil)
}

// start sends events, the given ones first, until the reader ends, and then detaches it from the hub.
func (r *Reader) start(h *hub, first []Event) {
	r.queue, r.limit = first, readerQueue+len(first)
	h.feed.wg.Go(func() {
		defer close(r.done)
		defer close(r.events)
		defer h.detach(r)
		r.err = r.pump()
		r.detach()
		r.cancel(r.err)
	})
}

// push queues an event. A reader that has fallen too far behind is ended instead.
func (r *Reader) push(e Event) bool {
	r.mu.Lock()
	full := len(r.queue) >= r.limit
	if !full {
		r.queue = append(r.queue, e)
	}
	r.mu.Unlock()
	if full {
		r.cancel(ErrSlow)
		return false
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return true
}

// pop removes the oldest event from the queue.
func (r *Reader) pop() (e Event, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		r.queue = nil
		return Event{}, false
	}
	e, r.queue[0] = r.queue[0], Event{}
	r.queue = r.queue[1:]
	return e, true
}

// pump sends the queued events to the consumer.
func (r *Reader) pump() error {
	for {
		e, ok := r.pop()
		if !ok {
			select {
			case <-r.wake:
				continue
			case <-r.ctx.Done():
				return context.Cause(r.ctx)
			}
		}
		if err := r.send(e); err != nil {
			return err
		}
		if r.single && e.Snapshot.Record != nil {
			return nil
		}
	}
}

// send sends an event to the consumer. It fails with ErrSlow when the consumer does not receive it in time.
func (r *Reader) send(e Event) error {
	select {
	case r.events <- e:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	default:
	}
	timer := time.NewTimer(r.slowTimeout)
	defer timer.Stop()
	select {
	case r.events <- e:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	case <-timer.C:
		return ErrSlow
	}
}
