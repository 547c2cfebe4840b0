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
)

// Reader is one consumer of events.
type Reader struct {
	events chan Event
	ctx    context.Context //nolint:containedctx // The life of the reader.
	cancel context.CancelCauseFunc
	// stopped ends the reader's tie to the feed's life.
	stopped func() bool
	done    chan struct{}
	err     error
	// patience is how long a full reader is waited for.
	patience time.Duration
	// single says that the reader ends with the end of a job.
	single bool

	mu    sync.Mutex
	queue []Event
	limit int
	wake  chan struct{}
}

func newReader(ctx context.Context, f *Feed) *Reader {
	r := &Reader{
		events: make(chan Event, readerBuffer), done: make(chan struct{}), wake: make(chan struct{}, 1), patience: f.cfg.Patience,
	}
	r.ctx, r.cancel = context.WithCancelCause(ctx)
	// A reader ends with its own context or with the feed, whichever is first.
	r.stopped = context.AfterFunc(f.ctx, func() { r.cancel(ErrStopped) })
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

// abandon ends a reader that nobody got, and returns why.
func (r *Reader) abandon(err error) error {
	if cause := context.Cause(r.ctx); cause != nil && !errors.Is(err, jobs.ErrNotFound) {
		err = cause
	}
	r.stopped()
	r.cancel(err)
	return err
}

// finish ends a reader that gets one event and nothing after it.
func (r *Reader) finish(e Event) {
	r.events <- e
	close(r.events)
	close(r.done)
	r.stopped()
	r.cancel(nil)
}

// start hands out events, the given ones first, until the reader ends, and then leaves the hub.
func (r *Reader) start(h *hub, first []Event) {
	r.queue, r.limit = first, readerQueue+len(first)
	h.feed.wg.Go(func() {
		defer close(r.done)
		defer close(r.events)
		defer h.detach(r)
		r.err = r.pump()
		r.stopped()
		r.cancel(r.err)
	})
}

// push queues an event, unless the reader has fallen too far behind, which ends it.
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

// pop takes the oldest event out of the queue.
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

// pump hands the queued events to the consumer.
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

// send hands an event to the consumer. One that does not take it in time is slow.
func (r *Reader) send(e Event) error {
	select {
	case r.events <- e:
		return nil
	case <-r.ctx.Done():
		return context.Cause(r.ctx)
	default:
	}
	timer := time.NewTimer(r.patience)
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
