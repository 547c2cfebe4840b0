package broker

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// guard is a JetStream that publishes nothing while the disk fails. The server would not answer, and whoever publishes
// would wait for his time-out. It tells observer, if that is not nil, of each publish.
type guard struct {
	jetstream.JetStream
	fault    func() error
	observer WriteObserver
}

// WriteObserver is told of publishes to streams: to which one, how it ended and how long the acknowledgement took. It must
// not block.
type WriteObserver interface {
	ObserveWrite(stream, result string, took time.Duration)
}

// The results that a WriteObserver is told.
const (
	WriteStored = "stored"
	// WriteConflict is a conditional publish that another writer has preceded.
	WriteConflict = "conflict"
	// WriteFull is a publish for which there is no room.
	WriteFull = "full"
	// WriteFailed is any other; it may be stored or not.
	WriteFailed = "failed"
)

// Publish is jetstream.JetStream.Publish. It fails with the fault while there is one; nothing is published then.
func (g guard) Publish(ctx context.Context, subject string, data []byte, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if err := g.fault(); err != nil {
		return nil, err
	}
	began := time.Now()
	ack, err := g.JetStream.Publish(ctx, subject, data, opts...)
	g.observed(subject, err, began)
	return ack, err
}

// PublishMsg is jetstream.JetStream.PublishMsg. It fails as Publish does.
func (g guard) PublishMsg(ctx context.Context, msg *nats.Msg, opts ...jetstream.PublishOpt) (*jetstream.PubAck, error) {
	if err := g.fault(); err != nil {
		return nil, err
	}
	began := time.Now()
	ack, err := g.JetStream.PublishMsg(ctx, msg, opts...)
	g.observed(msg.Subject, err, began)
	return ack, err
}

func (g guard) observed(subject string, err error, began time.Time) {
	if g.observer == nil {
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
	g.observer.ObserveWrite(streamOf(subject), result, time.Since(began))
}
