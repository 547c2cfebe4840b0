package feed

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// readTimeout bounds a read of the jobs of a hub.
const readTimeout = 10 * time.Second

// sharedRead runs one read at a time for any number of callers. Each caller gets the result of a read that began after its
// call, so that the result is not older than what the caller knows. (singleflight would join a read that began before.)
type sharedRead[T any] struct {
	mu      sync.Mutex
	running bool
	next    *readCall[T]
}

// readCall is one read. Callers share its value and must not change it.
type readCall[T any] struct {
	done  chan struct{}
	began time.Time
	value T
	err   error
}

// do returns the result of read and the time at which it began. spawn runs the reads in the background.
func (s *sharedRead[T]) do(ctx context.Context, spawn func(func()), read func() (T, error)) (value T, began time.Time, err error) {
	s.mu.Lock()
	if s.next == nil {
		s.next = &readCall[T]{done: make(chan struct{})}
	}
	call := s.next
	if !s.running {
		s.running = true
		spawn(func() { s.run(read) })
	}
	s.mu.Unlock()
	select {
	case <-call.done:
		return call.value, call.began, call.err
	case <-ctx.Done():
		return value, began, context.Cause(ctx)
	}
}

// run reads until no call of do is waiting.
func (s *sharedRead[T]) run(read func() (T, error)) {
	for {
		s.mu.Lock()
		call := s.next
		s.next = nil
		s.running = call != nil
		s.mu.Unlock()
		if call == nil {
			return
		}
		call.began = time.Now()
		call.value, call.err = read()
		close(call.done)
	}
}

// readActive returns the unfinished jobs of the owner.
func (h *hub) readActive(ctx context.Context) (snaps []*job.Snapshot, began time.Time, err error) {
	return h.active.do(ctx, h.feed.wg.Go, func() ([]*job.Snapshot, error) {
		ctx, cancel := context.WithTimeout(h.ctx, readTimeout)
		defer cancel()
		return h.feed.jobs.Active(ctx, h.owner)
	})
}

// readCurrent returns the state of the one job.
func (h *hub) readCurrent(ctx context.Context) (snap *job.Snapshot, began time.Time, err error) {
	return h.current.do(ctx, h.feed.wg.Go, func() (*job.Snapshot, error) {
		ctx, cancel := context.WithTimeout(h.ctx, readTimeout)
		defer cancel()
		return h.feed.jobs.Read(ctx, []string{h.owner}, h.id)
	})
}

// overdue is the time after a deadline at which the job is reread. By then it has ended, or the read ends it.
const overdue = 500 * time.Millisecond

// nextRead returns the time until the next reread: the given interval, or less if the deadline of the one job comes first.
func (h *hub) nextRead(interval time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	if e, ok := h.tracker.active(h.id); ok {
		if left := time.Until(e.Snapshot.Spec.Deadline.Time) + overdue; left > 0 && left < interval {
			return left
		}
	}
	return interval
}

// reread reads the jobs of the hub, in case an event was lost.
func (h *hub) reread() {
	if h.id == "" {
		h.rereadAll()
	} else {
		h.rereadOne()
	}
}

func (h *hub) rereadOne() {
	h.mu.Lock()
	_, active := h.tracker.active(h.id)
	h.mu.Unlock()
	if !active {
		return
	}
	snap, began, err := h.readCurrent(h.ctx)
	switch {
	case errors.Is(err, jobs.ErrNotFound):
		h.failReaders(jobs.ErrNotFound)
	case err == nil:
		h.publish(h.ctx, began, snap)
	}
	// NATS may be unavailable for a moment; the next reread makes up for it.
}

// rereadAll rereads all active jobs, and the jobs whose end may have been missed.
func (h *hub) rereadAll() {
	active, began, err := h.readActive(h.ctx)
	if err != nil {
		return // NATS may be unavailable for a moment; the next reread makes up for it.
	}
	h.publish(h.ctx, began, active...)
	alive := make(map[string]bool, len(active))
	for _, snap := range active {
		alive[snap.Spec.ID] = true
	}
	var missing []string
	h.mu.Lock()
	for id, e := range h.tracker.jobs {
		if !e.ended() && !alive[id] && e.since.Before(began) {
			missing = append(missing, id)
		}
	}
	h.mu.Unlock()
	for _, id := range missing {
		asOf := time.Now()
		read, err := h.feed.jobs.Read(h.ctx, []string{h.owner}, id)
		switch {
		case errors.Is(err, jobs.ErrNotFound):
			h.forget(id)
		case err == nil:
			h.publish(h.ctx, asOf, read)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.tracker.sweep(time.Now())
}
