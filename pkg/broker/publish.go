package broker

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// checkedJetStream is a JetStream whose publishes fail at once while the disk fails; the server would let them time out.
// Each publish is reported to observer, if that is not nil.
type checkedJetStream struct {
	jetstream.JetStream
	fault    func() error
	observer WriteObserver
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
	began := time.Now()
	ack, err := c.JetStream.Publish(ctx, subject, data, opts...)
	c.observe(subject, err, began)
	return ack, err
}

// PublishMsg is jetstream.JetStream.PublishMsg. It fails as Publish does.
func (c checkedJetStream) PublishMsg(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if err := c.fault(); err != nil {
		return nil, err
	}
	began := time.Now()
	ack, err := c.JetStream.PublishMsg(ctx, msg, opts...)
	c.observe(msg.Subject, err, began)
	return ack, err
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
