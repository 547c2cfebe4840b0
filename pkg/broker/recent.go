package broker

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// recentAge is for how long a message that was read is used again. Only the writes of other processes go unnoticed in that time. It is
	// less than a second by as much as a request may take from such a read to its effect.
	recentAge = 750 * time.Millisecond
	// maxRecent bounds the messages that are kept: some 4 MiB.
	maxRecent = 4096
)

// RecentLast is LeaderLast for the stream of accounts, for what every request of a member reads. Where the only server is that of this
// process it may return what was read up to 750 ms ago, unless this process has begun to write to the subject since then: what it
// has changed, a sign-out for example, it never reads again. Such a read costs no request.
func RecentLast(ctx context.Context, js jetstream.JetStream, stream, subject string) (*RecentMessage, error) {
	c, ok := js.(*checkedJetStream)
	if !ok || c.recent == nil || stream != UsersStream {
		msg, err := LeaderLast(ctx, js, stream, subject)
		if err != nil {
			return nil, err
		}
		return &RecentMessage{RawStreamMsg: msg}, nil
	}
	began := time.Now()
	msg, found, writes := c.recent.get(subject, began)
	if !found {
		raw, err := LeaderLast(ctx, js, stream, subject)
		switch {
		case err == nil:
			msg = &RecentMessage{RawStreamMsg: raw}
		case !errors.Is(err, jetstream.ErrMsgNotFound):
			return nil, err
		}
		c.recent.put(subject, msg, began, writes)
	}
	if msg == nil {
		return nil, jetstream.ErrMsgNotFound
	}
	return msg, nil
}

// RecentMessage is a message that RecentLast has read. It is shared and must not be changed.
type RecentMessage struct {
	*jetstream.RawStreamMsg
	// Decoded is for the reader, who need not decode the message again.
	Decoded atomic.Value
}

// recentReads keeps the messages that were read lately.
type recentReads struct {
	age time.Duration

	mu        sync.Mutex
	bySubject map[string]recentRead
	// writes is how many writes have begun or ended.
	writes uint64
}

// recentRead is a message, nil if there was none, and when the read began.
type recentRead struct {
	msg  *RecentMessage
	read time.Time
}

// get returns the message of a subject if it was read lately, and otherwise what put needs.
func (r *recentReads) get(subject string, now time.Time) (msg *RecentMessage, found bool, writes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept, ok := r.bySubject[subject]
	return kept.msg, ok && now.Sub(kept.read) < r.age, r.writes
}

// put keeps a message, unless a write has begun or ended since get: the message may be the one before it.
func (r *recentReads) put(subject string, msg *RecentMessage, began time.Time, writes uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.writes != writes {
		return
	}
	if r.bySubject == nil {
		r.bySubject = make(map[string]recentRead)
	}
	if len(r.bySubject) >= maxRecent {
		clear(r.bySubject)
	}
	r.bySubject[subject] = recentRead{msg, began}
}

// write forgets the message of a subject, or all if that is empty, before a write and, when the returned function is called, after
// it: what is read in between may be either.
func (r *recentReads) write(subject string) (end func()) {
	r.forget(subject)
	return func() { r.forget(subject) }
}

func (r *recentReads) forget(subject string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes++
	if subject == "" {
		clear(r.bySubject)
		return
	}
	delete(r.bySubject, subject)
}

// forgettingStream is a stream after whose deletions nothing is used that was read before.
type forgettingStream struct {
	jetstream.Stream
	recent *recentReads
}

// Purge is jetstream.Stream.Purge.
func (s forgettingStream) Purge(ctx context.Context, opts ...jetstream.StreamPurgeOpt) error {
	defer s.recent.write("")()
	return s.Stream.Purge(ctx, opts...)
}

// DeleteMsg is jetstream.Stream.DeleteMsg.
func (s forgettingStream) DeleteMsg(ctx context.Context, sequence uint64) error {
	defer s.recent.write("")()
	return s.Stream.DeleteMsg(ctx, sequence)
}
