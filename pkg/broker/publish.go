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
	// durable, if not nil, is what a write waits for after its acknowledgement.
	durable func(ctx context.Context, streams ...string) error
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
	if err := c.fault(); err != nil {
		return nil, err
	}
	return c.publish(ctx, &nats.Msg{Subject: subject, Data: data}, opts)
}

// PublishMsg is jetstream.JetStream.PublishMsg. It fails as Publish does.
func (c checkedJetStream) PublishMsg(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if err := c.fault(); err != nil {
		return nil, err
	}
	return c.publish(ctx, msg, opts)
}

const (
	// publishTimeout bounds a publish whose context has no deadline, as the client does.
	publishTimeout = 5 * time.Second
	// forgetTimeout is when the client forgets a publish without an acknowledgement. It is longer than any caller waits.
	forgetTimeout = 2 * time.Minute
	// maxPublishes bounds the publishes without an acknowledgement. It only has to be more than there can be callers.
	maxPublishes = 1 << 20
)

// publish publishes a message and waits for the acknowledgement. It does so by an asynchronous publish, which costs little more
// than half of a synchronous one. Other than that, it fails with nats.ErrDisconnected as soon as the connection is lost.
func (c checkedJetStream) publish(ctx context.Context, msg *nats.Msg, opts []jetstream.PublishOpt) (*jetstream.PubAck, error) {
	began := time.Now()
	ack, err := c.acknowledged(ctx, msg, opts)
	return c.stored(ctx, msg.Subject, began, ack, err)
}

func (c checkedJetStream) acknowledged(ctx context.Context, msg *nats.Msg, opts []jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, publishTimeout)
		defer cancel()
	}
	future, err := c.JetStream.PublishMsgAsync(msg, opts...)
	switch {
	case err != nil && c.Conn().IsClosed():
		// The client's first publish hides its error.
		return nil, nats.ErrConnectionClosed
	case err != nil:
		return nil, err
	}
	select {
	case ack := <-future.Ok():
		return ack, nil
	case err := <-future.Err():
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// stored waits until a write is durable. So must be the earlier write that a conflict reveals, since the caller may rely on it.
func (c checkedJetStream) stored(ctx context.Context, subject string, began time.Time, ack *jetstream.PubAck, err error,
) (*jetstream.PubAck, error) {
	if c.durable != nil && (err == nil || Conflict(err)) {
		if failed := c.durable(ctx, streamOf(subject)); failed != nil {
			ack, err = nil, failed
		}
	}
	c.observe(subject, err, began)
	return ack, err
}

// Stream is jetstream.JetStream.Stream. What the stream deletes is deleted durably.
func (c checkedJetStream) Stream(ctx context.Context, name string) (jetstream.Stream, error) {
	stream, err := c.JetStream.Stream(ctx, name)
	if err != nil || c.durable == nil {
		return stream, err
	}
	return durableStream{Stream: stream, durable: c.durable}, nil
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
