package feed

import (
	"context"
	"fmt"
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
	// ready is closed when the server knows about the subscription, or when err says that it does not.
	ready chan struct{}
	err   error
}

// join subscribes to a subject, or to what is subscribed already, and returns when the server knows about it.
// first runs for a new topic.
func (f *Feed) join(subject string, first func(*topic)) (*topic, *subscriber, error) {
	s := &subscriber{notices: make(chan notice, subscriberBuffer), slow: make(chan struct{})}
	t, isNew, err := f.topic(subject, s)
	if err != nil {
		return nil, nil, err
	}
	if isNew {
		if err := f.nc.FlushTimeout(flushTimeout); err != nil {
			t.err = fmt.Errorf("subscribe to events: %w", err)
		}
		close(t.ready)
	}
	<-t.ready
	if t.err != nil {
		t.leave(s)
		return nil, nil, t.err
	}
	if isNew && first != nil {
		first(t)
	}
	return t, s, nil
}

// topic finds or makes the topic of a subject and enters a subscriber.
func (f *Feed) topic(subject string, s *subscriber) (t *topic, isNew bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := context.Cause(f.ctx); err != nil {
		return nil, false, err
	}
	if t, ok := f.topics[subject]; ok {
		t.members[s] = struct{}{}
		return t, false, nil
	}
	t = &topic{feed: f, subject: subject, members: map[*subscriber]struct{}{s: {}}, ready: make(chan struct{})}
	t.ctx, t.cancel = context.WithCancel(f.ctx)
	t.sub, err = f.nc.Subscribe(subject, t.receive)
	if err != nil {
		t.cancel()
		return nil, false, fmt.Errorf("subscribe to events: %w", err)
	}
	f.topics[subject] = t
	return t, true, nil
}

// flushTimeout bounds the wait for the server to know about a subscription.
const flushTimeout = 5 * time.Second

// leave ends a reader's part; the last one to leave ends the topic.
func (t *topic) leave(s *subscriber) {
	t.feed.mu.Lock()
	defer t.feed.mu.Unlock()
	delete(t.members, s)
	if len(t.members) > 0 || t.feed.topics[t.subject] != t {
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
	if err != nil {
		t.feed.log.DebugContext(t.ctx, "event passed over", "error", err)
		return
	}
	t.tell(n)
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
		var last position
		for {
			select {
			case <-t.ctx.Done():
				return
			case <-ticker.C:
			}
			place, waits := t.feed.estimate.place(t.ctx, owner, id)
			if !waits {
				continue
			}
			if place != last {
				last = place
				t.tell(notice{owner: owner, id: id, position: &place})
			}
		}
	})
}
