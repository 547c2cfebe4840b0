package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// checkedJetStream is a JetStream whose publishes fail at once while the disk fails; the server would let them time out.
// Each publish is reported to observer, if that is not nil.
type checkedJetStream struct {
	jetstream.JetStream
	fault    func() error
	observer WriteObserver
	// alone is Broker.Alone.
	alone bool
	// closed is closed with the connection, which leaves publishes without an answer.
	closed <-chan struct{}
	// durable, if not nil, is what a write waits for after its acknowledgement; since is what server returned before the write.
	durable func(ctx context.Context, since string, streams ...string) error
	server  func() string
	// recent, if not nil, is what RecentLast has read.
	recent *recentReads
}

// WriteObserver receives every publish to a stream: the stream, the result and how long the acknowledgement took. It must
// not block.
type WriteObserver interface {
	ObserveWrite(stream, result string, took time.Duration)
}

// The results that a WriteObserver receives.
const (
	WriteStored = "stored"
	// WriteConflict is a conditional publish that failed because another writer was faster.
	WriteConflict = "conflict"
	// WriteFull is a publish that failed for lack of room.
	WriteFull = "full"
	// WriteFailed is any other publish; it may be stored or not.
	WriteFailed = "failed"
)

// Publish is jetstream.JetStream.Publish. While the disk fails it publishes nothing and returns the fault.
func (c checkedJetStream) Publish(ctx context.Context, subject string, data []byte, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	return c.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: data}, opts...)
}

const (
	// publishTimeout bounds a publish whose context has no deadline, as the client does.
	publishTimeout = 5 * time.Second
	// forgetTimeout is when the client forgets a publish without an acknowledgement. It is longer than any caller waits.
	forgetTimeout = 2 * time.Minute
	// maxPublishes bounds the publishes without an acknowledgement. It only has to be more than there can be callers.
	maxPublishes = 1 << 20
)

// PublishMsg is jetstream.JetStream.PublishMsg, by an asynchronous publish, which costs little more than half of a synchronous
// one. It fails as Publish does, and with nats.ErrDisconnected as soon as the connection is lost.
func (c checkedJetStream) PublishMsg(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, publishTimeout)
		defer cancel()
	}
	if c.recent != nil && streamOf(msg.Subject) == UsersStream {
		defer c.recent.write(msg.Subject)()
	}
	sent, err := c.send(msg, opts)
	if err != nil {
		return nil, err
	}
	return sent.Wait(ctx)
}

// Sent is a message that was published. Wait returns its outcome; what its channels Ok or Err bring has to be passed to Stored.
type Sent struct {
	jetstream.PubAckFuture
	checked checkedJetStream
	subject string
	// server is what checked.server returned before.
	server string
	began  time.Time
}

// send publishes a message and does not wait for its acknowledgement.
func (c checkedJetStream) send(msg *nats.Msg, opts []jetstream.PublishOpt) (*Sent, error) {
	if err := c.fault(); err != nil {
		return nil, err
	}
	sent := &Sent{checked: c, subject: msg.Subject, began: time.Now()}
	if c.durable != nil {
		sent.server = c.server()
	}
	future, err := c.PublishMsgAsync(msg, opts...)
	if err != nil && c.Conn().IsClosed() {
		err = nats.ErrConnectionClosed // The first asynchronous publish of the client hides it.
	}
	if err != nil {
		c.observe(msg.Subject, err, sent.began)
		return nil, err
	}
	sent.PubAckFuture = future
	return sent, nil
}

// Wait waits for the outcome until ctx ends, and returns it as PublishMsg does.
func (s *Sent) Wait(ctx context.Context) (*jetstream.PubAck, error) {
	select {
	case ack := <-s.Ok():
		return s.Stored(ctx, ack, nil)
	case err := <-s.Err():
		return s.Stored(ctx, nil, err)
	case <-s.checked.closed:
		return s.Stored(ctx, nil, nats.ErrConnectionClosed)
	case <-ctx.Done():
		return s.Stored(ctx, nil, ctx.Err())
	}
}

// Stored returns the outcome of the publish when the message is durable. So must be the earlier one that a conflict reveals, since
// the caller may rely on it. It fails with err, and with that of ctx when the message is not durable yet.
func (s *Sent) Stored(ctx context.Context, ack *jetstream.PubAck, err error) (*jetstream.PubAck, error) {
	if s.checked.durable != nil && (err == nil || Conflict(err)) {
		if failed := s.checked.durable(ctx, s.server, streamOf(s.subject)); failed != nil {
			ack, err = nil, failed
		}
	}
	s.checked.observe(s.subject, err, s.began)
	return ack, err
}

// Stream is jetstream.JetStream.Stream. What the stream deletes is deleted durably.
func (c checkedJetStream) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	stream, err := c.JetStream.Stream(ctx, name)
	if err != nil {
		return nil, err
	}
	if c.recent != nil && name == UsersStream {
		stream = forgettingStream{Stream: stream, recent: c.recent}
	}
	if c.durable != nil {
		stream = durableStream{Stream: stream, checked: c}
	}
	return stream, nil
}

func (c checkedJetStream) observe(subject string, err error, began time.Time) {
	if c.observer == nil {
		return
	}
	result := WriteFailed
	switch {
	case err == nil:
		result = WriteStored
	case Conflict(err):
		result = WriteConflict
	case NoRoom(err), TooMany(err):
		result = WriteFull
	}
	c.observer.ObserveWrite(streamOf(subject), result, time.Since(began))
}

// Purge removes the messages of a subject from a stream, without waiting for that: it may happen later or, when the connection is
// lost, not at all. It costs one message to the server and no answer.
func (b *Broker) Purge(stream, subject string) error {
	request, err := json.Marshal(server.JSApiStreamPurgeRequest{Subject: subject})
	if err == nil {
		err = b.nc.Publish(fmt.Sprintf(server.JSApiStreamPurgeT, stream), request)
	}
	if err != nil {
		return fmt.Errorf("purge %s: %w", stream, err)
	}
	return nil
}
