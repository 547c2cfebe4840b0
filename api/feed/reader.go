package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

const (
	// readerBuffer is the capacity of the channel of a Reader.
	readerBuffer = 16
	// readerQueue is how many more events may be queued before the reader is dropped as slow.
	readerQueue = 256
	// slowTimeout is how long a send to the full channel may block before the reader is dropped as slow.
	slowTimeout = 10 * time.Second
)

// Reader delivers events to one consumer.
type Reader struct {
	events chan Event
	ctx    context.Context //nolint:containedctx // The lifetime of the reader.
	cancel context.CancelCauseFunc
	// detach releases the callback on the context of the feed.
	detach      func() bool
	done        chan struct{}
	err         error
	slowTimeout time.Duration
	// single means that the reader ends with the terminal event of its job.
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

// Events returns the channel of events. It is closed after the terminal event of a single job, when the reader is too slow,
// when its context ends and when the feed stops; Err returns the reason. Readers share the values that an event points to
// and must not change them.
func (r *Reader) Events() <-chan Event { return r.events }

// Err waits until the channel is closed and returns the reason, or nil after a terminal event.
func (r *Reader) Err() error {
	<-r.done
	return r.err
}

// Close ends the reader. It may be called more than once.
func (r *Reader) Close() { r.cancel(context.Canceled) }

// abandon ends a reader that could not be attached because of err. It returns the cause of the end of the reader or the feed,
// if one of them has ended and so failed the request, and err otherwise.
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

// start delivers events in the background, beginning with first, until the reader ends, and then detaches it from the hub.
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

// push queues an event and reports true. If the queue is full it ends the reader with ErrSlow and reports false.
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

// pop removes and returns the oldest event of the queue.
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

// pump sends queued events to the consumer until the reader ends, and returns the reason.
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

// send sends an event to the consumer. It fails with ErrSlow after slowTimeout.
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
