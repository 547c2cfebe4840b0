package feed

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// subscriberBuffer is how many notices may wait for one reader before it counts as slow.
const subscriberBuffer = 256

// notice is what a topic tells its subscribers: a stored write, or the time for a position.
type notice struct {
	owner, id string
	queued    *job.Spec
	progress  *job.Progress
	record    *job.Record
	position  *position
}

// subscriber is one reader's end of a topic.
type subscriber struct {
	topic   *topic
	notices chan notice
	slow    chan struct{}
}

// topic is one core subscription and those who listen to it.
type topic struct {
	feed    *Feed
	subject string
	sub     *nats.Subscription
	cancel  context.CancelFunc
	ctx     context.Context //nolint:containedctx // The life of the topic.
	// members is guarded by the feed's lock.
	members map[*subscriber]struct{}
	// begun says that the job no longer waits for its first attempt.
	begun atomic.Bool
	// ready is closed when the server knows about the subscription, or when err says that it does not.
	ready chan struct{}
	err   error
}

// join subscribes to a subject, or to what is subscribed already, and returns when the server knows about it. first
// runs for a new topic. The topic outlives a caller that is gone before, as long as somebody else waits for it.
func (f *Feed) join(ctx context.Context, subject string, first func(*topic)) (*subscriber, error) {
	s, isNew, err := f.subscribe(subject)
	if err != nil {
		return nil, err
	}
	t := s.topic
	if isNew {
		f.wg.Go(t.flush)
		if first != nil {
			first(t)
		}
	}
	select {
	case <-t.ready:
		err = t.err
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		s.leave()
		return nil, err
	}
	return s, nil
}

// subscribe enters a subscriber into the topic of a subject, which is made when there is none.
func (f *Feed) subscribe(subject string) (s *subscriber, isNew bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s = &subscriber{notices: make(chan notice, subscriberBuffer), slow: make(chan struct{})}
	if t, ok := f.topics[subject]; ok {
		s.topic = t
		t.members[s] = struct{}{}
		return s, false, nil
	}
	t := &topic{feed: f, subject: subject, members: map[*subscriber]struct{}{s: {}}, ready: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(f.ctx)
	t.sub, err = f.nc.Subscribe(subject, t.receive)
	if err != nil {
		t.cancel()
		return nil, false, fmt.Errorf("subscribe to events: %w", err)
	}
	s.topic = t
	f.topics[subject] = t
	return s, true, nil
}

// flushTimeout bounds the wait for the server to know about a subscription.
const flushTimeout = 5 * time.Second

// flush makes a new topic ready. One that the server may not know about is taken away, so that the next caller tries
// again.
func (t *topic) flush() {
	defer close(t.ready)
	ctx, cancel := context.WithTimeout(t.ctx, flushTimeout)
	defer cancel()
	if err := t.feed.nc.FlushWithContext(ctx); err != nil {
		if cause := context.Cause(t.ctx); cause != nil {
			err = cause
		}
		t.err = fmt.Errorf("subscribe to events: %w", err)
		t.feed.mu.Lock()
		defer t.feed.mu.Unlock()
		t.remove()
	}
}

// leave ends a reader's part; the last one to leave ends the topic.
func (s *subscriber) leave() {
	t := s.topic
	t.feed.mu.Lock()
	defer t.feed.mu.Unlock()
	delete(t.members, s)
	if len(t.members) == 0 {
		t.remove()
	}
}

// remove ends a topic, once. The feed's lock is held.
func (t *topic) remove() {
	if t.feed.topics[t.subject] != t {
		return
	}
	delete(t.feed.topics, t.subject)
	t.cancel()
	_ = t.sub.Unsubscribe()
}

// receive reads one event. What cannot be read is passed over: the regular reading of the job makes up for it.
func (t *topic) receive(m *nats.Msg) {
	event, owner, id, ok := broker.ParseEventSubject(m.Subject)
	if !ok || len(m.Data) == 0 {
		return
	}
	n := notice{owner: owner, id: id}
	var err error
	switch event {
	case broker.EventQueued:
		n.queued, err = job.DecodeSpec(m.Data)
	case broker.EventProgress:
		n.progress, err = job.DecodeProgress(m.Data)
	case broker.EventResult:
		n.record, err = job.DecodeRecord(m.Data)
	default:
		return
	}
	if err == nil && !n.of(id) {
		err = errForeign
	}
	if err != nil {
		t.feed.log.DebugContext(t.ctx, "event passed over", "error", err)
		return
	}
	if n.record != nil || (n.progress != nil && n.progress.Status != job.StatusQueued) {
		t.begun.Store(true)
	}
	t.tell(n)
}

// errForeign is the fault of an event that lies about its job.
var errForeign = errors.New("not of the job that its subject names")

// of reports whether the write that a notice tells of is of the job with the given id.
func (n notice) of(id string) bool {
	switch {
	case n.queued != nil:
		return n.queued.ID == id
	case n.progress != nil:
		return n.progress.ID == id
	}
	return n.record.Spec.ID == id
}

func (t *topic) tell(n notice) {
	t.feed.mu.Lock()
	defer t.feed.mu.Unlock()
	for s := range t.members {
		select {
		case s.notices <- n:
		default:
			close(s.slow)
			delete(t.members, s)
		}
	}
}

// tick asks for the job's place in the queue from time to time, for as long as it waits and somebody watches.
func (t *topic) tick(owner, id string) {
	t.feed.wg.Go(func() {
		ticker := time.NewTicker(t.feed.cfg.Tick)
		defer ticker.Stop()
		last := position{ahead: -1}
		for {
			select {
			case <-t.ctx.Done():
				return
			case <-ticker.C:
			}
			if t.begun.Load() {
				return
			}
			place, waits := t.feed.estimate.place(t.ctx, owner, id)
			if waits && place.isNews(last) {
				last = place
				t.tell(notice{owner: owner, id: id, position: &place})
			}
		}
	})
}
