package feed

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

const (
	// keptEvents is how many events of a job a reader that lags behind gets one by one. Of more it gets the newest, which is
	// enough, because each event is the whole job.
	keptEvents = 8
	// lateEvents is how many events of different jobs a reader may lag behind before it is dropped, apart from its first ones.
	lateEvents = 256
)

// ErrNone is the error of Reader.Next when there is no event for now.
var ErrNone = errors.New("no event for now")

// Reader delivers events to one consumer. It runs no goroutine and, when the consumer has received all events, holds none.
type Reader struct {
	// single means that the reader ends with the terminal event of its job.
	single bool
	// hubs are the sources of the events: one for each owner, or that of the job; none if the job had ended before.
	hubs []*hub
	// unfollow stops following the context with which the reader was opened.
	unfollow func() bool

	mu     sync.Mutex
	queue  []Event
	limit  int
	notify func()
	// err is the reason why there are no more events after those in queue.
	err      error
	detached bool
}

// open returns a new reader after attaching it with attach. It fails with ErrStopped.
func (f *Feed) open(ctx context.Context, attach func(context.Context, *Reader) error) (*Reader, error) {
	release, err := f.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	// The requests end with the context of the caller or with the feed, whichever is first.
	opening, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(f.ctx, func() { cancel(ErrStopped) })()
	r := &Reader{limit: lateEvents}
	if err := attach(opening, r); err != nil {
		for _, ctx := range []context.Context{f.ctx, opening} {
			if cause := context.Cause(ctx); cause != nil && !errors.Is(err, jobs.ErrNotFound) {
				err = cause
			}
		}
		return nil, err
	}
	if len(r.hubs) == 0 {
		return r, nil
	}
	unfollow := context.AfterFunc(ctx, func() { r.fail(context.Cause(ctx)) })
	r.mu.Lock()
	r.unfollow = unfollow
	r.mu.Unlock()
	return r, nil
}

// Notify has notify called now, after every event and at the end. It may be called more often, and concurrently, and must not
// block.
func (r *Reader) Notify(notify func()) {
	r.mu.Lock()
	r.notify = notify
	r.mu.Unlock()
	notify()
}

// Next returns the next event. It does not block: without an event it fails with ErrNone, after the terminal event of a single
// job with io.EOF, and otherwise with the reason why the reader ended: ErrSlow, ErrStopped, jobs.ErrNotFound or the
// cause of its context. Only one goroutine may call it at a time. Readers share the values that an event points to and must
// not change them.
func (r *Reader) Next() (Event, error) {
	r.mu.Lock()
	if len(r.queue) == 0 {
		r.queue = nil
		err := r.err
		r.mu.Unlock()
		if err == nil {
			return Event{}, ErrNone
		}
		r.detach()
		return Event{}, err
	}
	e := r.queue[0]
	r.queue[0] = Event{}
	r.queue = r.queue[1:]
	last := r.single && e.Snapshot.Record != nil
	if last {
		r.queue, r.err = nil, io.EOF
	}
	r.mu.Unlock()
	if last {
		r.detach()
	}
	return e, nil
}

// Close ends the reader. It may be called more than once.
func (r *Reader) Close() {
	r.fail(context.Canceled)
	r.detach()
}

// fail ends the reader with err and drops its events. The consumer detaches it.
func (r *Reader) fail(err error) {
	r.mu.Lock()
	if r.err == nil {
		r.err, r.queue = err, nil
	}
	notify := r.notify
	r.mu.Unlock()
	if notify != nil {
		notify()
	}
}

// detach releases what the reader uses. Further calls do nothing.
func (r *Reader) detach() {
	r.mu.Lock()
	done := r.detached
	r.detached = true
	unfollow := r.unfollow
	r.mu.Unlock()
	if done {
		return
	}
	if unfollow != nil {
		unfollow()
	}
	for _, h := range r.hubs {
		h.detach(r)
	}
}

// start adds a hub and its first events to a reader.
func (r *Reader) start(h *hub, first []Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hubs, r.queue, r.limit = append(r.hubs, h), append(r.queue, first...), r.limit+len(first)
}

// push queues an event and reports true. If the reader is too far behind, it ends with ErrSlow, and push reports false.
func (r *Reader) push(e Event) bool {
	r.mu.Lock()
	if r.err != nil {
		r.mu.Unlock()
		return false
	}
	if !r.replace(e) {
		if len(r.queue) >= r.limit {
			r.mu.Unlock()
			r.fail(ErrSlow)
			return false
		}
		r.queue = append(r.queue, e)
	}
	notify := r.notify
	r.mu.Unlock()
	if notify != nil {
		notify()
	}
	return true
}

// replace puts an event in the place of the last one of the same job if the reader lags behind, and reports whether it did. The
// caller holds the lock.
func (r *Reader) replace(e Event) bool {
	if len(r.queue) < keptEvents {
		return false
	}
	for i := len(r.queue) - 1; i >= 0; i-- {
		if old := &r.queue[i]; old.Snapshot.Spec.ID == e.Snapshot.Spec.ID {
			if e.ID == "" {
				e.ID = old.ID // A position of a state that the consumer has not received.
			}
			*old = e
			return true
		}
	}
	return false
}
