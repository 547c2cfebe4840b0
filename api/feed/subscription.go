package feed

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
)

// subscription receives the events of all jobs, while any is watched. There is one for the whole process: the server keeps
// several hundred bytes for each subscription, and the client a buffer and a goroutine, which would cost more than all else
// that a watched job needs.
type subscription struct {
	feed *Feed
	sub  *nats.Subscription
	// ready is closed when the server has confirmed the subscription or it has failed with err.
	ready chan struct{}
	err   error
}

// subscribe returns the subscription of the feed, creating it if needed. The caller holds the lock of the feed.
func (f *Feed) subscribe() (*subscription, error) {
	if f.sub != nil {
		return f.sub, nil
	}
	s := &subscription{feed: f, ready: make(chan struct{})}
	var err error
	if s.sub, err = f.nc.Subscribe(broker.JobEventsSubject("*", "*"), f.receive); err != nil {
		return nil, fmt.Errorf("subscribe to events: %w", err)
	}
	f.sub = s
	f.wg.Go(s.flush)
	return s, nil
}

// unsubscribe ends the subscription. The caller holds the lock of the feed.
func (f *Feed) unsubscribe() {
	if f.sub != nil {
		_ = f.sub.sub.Unsubscribe()
		f.sub = nil
	}
}

// flushTimeout bounds the wait for the server to confirm a subscription.
const flushTimeout = 5 * time.Second

// flush waits for the server to confirm a new subscription. If that fails, the next caller subscribes again.
func (s *subscription) flush() {
	defer close(s.ready)
	ctx, cancel := context.WithTimeout(s.feed.ctx, flushTimeout)
	defer cancel()
	if err := s.feed.nc.FlushWithContext(ctx); err != nil {
		if cause := context.Cause(s.feed.ctx); cause != nil {
			err = cause
		}
		s.err = fmt.Errorf("subscribe to events: %w", err)
		s.feed.mu.Lock()
		defer s.feed.mu.Unlock()
		if s.feed.sub == s {
			s.feed.unsubscribe()
		}
	}
}

// wait waits until the server has confirmed the subscription.
func (s *subscription) wait(ctx context.Context) error {
	select {
	case <-s.ready:
		return s.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// losses counts what may have lost events: connections to NATS, and events that were dropped before receive could take them.
func (f *Feed) losses() uint64 {
	n := f.nc.Stats().Reconnects
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.sub != nil {
		if dropped, err := f.sub.sub.Dropped(); err == nil {
			n += uint64(dropped) //nolint:gosec // A count.
		}
	}
	return n
}
