package broker

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// checkedJetStream is a JetStream whose publishes fail at once while the disk fails; the server would let them time out.
// Each publish is reported to observer, if that is not nil.
type checkedJetStream struct {
	jetstream.JetStream
	publisher *publisher
	fault     func() error
	observer  WriteObserver
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
func (c *checkedJetStream) Publish(ctx context.Context, subject string, data []byte, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	return c.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: data}, opts...)
}

const (
	// publishTimeout bounds a publish whose context has no deadline, as the client does.
	publishTimeout = 5 * time.Second
	// forgetTimeout is when the client forgets a publish with options without an acknowledgement. It is longer than any caller waits.
	forgetTimeout = 2 * time.Minute
	// maxPublishes bounds those publishes. It only has to be more than there can be callers.
	maxPublishes = 1 << 20
)

// PublishMsg is jetstream.JetStream.PublishMsg, but costs little more than half of it. It fails as that does, and with nats.ErrDisconnected
// as soon as the connection is lost. Conditions cost less as headers, such as those of ExpectLast, than as options.
func (c *checkedJetStream) PublishMsg(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, publishTimeout)
		defer cancel()
	}
	if c.recent != nil && streamOf(msg.Subject) == UsersStream {
		defer c.recent.write(msg.Subject)()
	}
	if len(opts) > 0 {
		return c.publishWith(ctx, msg, opts)
	}
	sent, err := c.send(msg)
	if err != nil {
		return nil, err
	}
	return sent.Wait(ctx)
}

// publishWith is PublishMsg for the options, which only the client can read.
func (c *checkedJetStream) publishWith(ctx context.Context, msg *nats.Msg, opts []jetstream.PublishOpt) (*jetstream.PubAck, error) {
	s, err := c.begin(msg)
	if err != nil {
		return nil, err
	}
	future, err := c.PublishMsgAsync(msg, opts...)
	if err != nil {
		if c.Conn().IsClosed() {
			err = nats.ErrConnectionClosed // The first asynchronous publish of the client hides it.
		}
		c.observe(msg.Subject, err, s.began)
		return nil, err
	}
	select {
	case ack := <-future.Ok():
		s.ack = *ack
	case s.err = <-future.Err():
	case <-c.closed:
		s.err = nats.ErrConnectionClosed
	case <-ctx.Done():
		s.err = ctx.Err()
	}
	return s.Stored(ctx)
}

// onlyFirst is ExpectLast(0), which every job needs. It must not be changed.
var onlyFirst = nats.Header{jetstream.ExpectedLastSubjSeqHeader: {"0"}}

// ExpectLast returns the header of a message that is stored only if the last one on its subject has the given sequence, 0 for none. It
// is shared with other messages and must not be changed.
func ExpectLast(sequence uint64) nats.Header {
	if sequence == 0 {
		return onlyFirst
	}
	return nats.Header{jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(sequence, 10)}}
}

// ExpectLastFor is ExpectLast for the last message on another subject, which may contain wildcards.
func ExpectLastFor(sequence uint64, subject string) nats.Header {
	return nats.Header{
		jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(sequence, 10)}, jetstream.ExpectedLastSubjSeqSubjHeader: {subject},
	}
}

// Sent is a message that was published. The outcome is known when Done is closed; Wait or Stored returns it.
type Sent struct {
	checked *checkedJetStream
	subject string
	// server is what checked.server returned before.
	server string
	began  time.Time

	// What the publisher needs: the message as it was sent, the number in its reply subject, how often no stream has listened, and what
	// is closed with the outcome.
	msg    *nats.Msg
	id     uint64
	absent int
	done   chan struct{}
	ack    jetstream.PubAck
	err    error
}

// begin returns the state of a publish, or the fault of the disk.
func (c *checkedJetStream) begin(msg *nats.Msg) (*Sent, error) {
	if err := c.fault(); err != nil {
		return nil, err
	}
	s := &Sent{checked: c, subject: msg.Subject, began: time.Now()}
	if c.durable != nil {
		s.server = c.server()
	}
	return s, nil
}

// send publishes a message and does not wait for its acknowledgement.
func (c *checkedJetStream) send(msg *nats.Msg) (*Sent, error) {
	s, err := c.begin(msg)
	if err != nil {
		return nil, err
	}
	if err := c.publisher.publish(s, msg); err != nil {
		c.observe(s.subject, err, s.began)
		return nil, err
	}
	return s, nil
}

// Done is closed when the message is acknowledged or refused, and when the connection is lost.
func (s *Sent) Done() <-chan struct{} { return s.done }

// Forget says that nobody waits for the outcome any more. It does no harm once Done is closed.
func (s *Sent) Forget() { s.checked.publisher.take(s.id) }

// Wait waits for the outcome until ctx ends, and returns it as PublishMsg does.
func (s *Sent) Wait(ctx context.Context) (*jetstream.PubAck, error) {
	select {
	case <-s.done:
		return s.Stored(ctx)
	case <-ctx.Done():
		s.Forget()
		s.checked.observe(s.subject, ctx.Err(), s.began)
		return nil, ctx.Err()
	}
}

// Stored returns the outcome, once Done is closed, when the message is durable. So must be the earlier one that a conflict reveals, since
// the caller may rely on it. It fails with the error of ctx when the message is not durable yet.
func (s *Sent) Stored(ctx context.Context) (*jetstream.PubAck, error) {
	err := s.err
	if s.checked.durable != nil && (err == nil || Conflict(err)) {
		if failed := s.checked.durable(ctx, s.server, streamOf(s.subject)); failed != nil {
			err = failed
		}
	}
	s.checked.observe(s.subject, err, s.began)
	if err != nil {
		return nil, err
	}
	return &s.ack, nil
}

// Stream is jetstream.JetStream.Stream. What the stream deletes is deleted durably.
func (c *checkedJetStream) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
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

func (c *checkedJetStream) observe(subject string, err error, began time.Time) {
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
