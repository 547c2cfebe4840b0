package queue

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// Receipt says what became of a push.
type Receipt struct {
	// Sequence is the job's place in the stream; 0 when it was there already.
	Sequence uint64
	// AlreadyThere says that a job with this owner, kind, lane and id is in the queue already.
	AlreadyThere bool
	// Repeated says that the job was published more than once, because the first answer was lost. Whether the first
	// publish was stored, worked and settled meanwhile, only the results can tell.
	Repeated bool
}

// Push makes a job durable: when it returns without error the job is on disk. A trace in ctx goes along in the message's headers. A keyed job, one whose id follows from
// an idempotency key, is stored only when it is not in the queue yet.
//
// A store that is slow is waited for until ctx ends, for PublishTimeout when ctx has no deadline. Push fails with ErrFull
// when as many jobs wait as may, with ErrNoRoom when NATS has none, and with ErrUnavailable when NATS did not confirm.
// When ctx is canceled meanwhile the job may be stored or not, as after any ErrUnavailable.
// It costs one acknowledged publish; while that goes unanswered, a further one after 5 seconds, 15 and 35.
func (q *Queue) Push(ctx context.Context, spec *job.Spec, keyed bool) (Receipt, error) {
	data, err := spec.Encode()
	if err != nil {
		return Receipt{}, err
	}
	subject := broker.JobSubject(spec.Kind, spec.Lane, spec.Owner, spec.ID)
	// Nobody else has the id, but the publish itself may come a second time, by another connection and late.
	onlyIfNew := jetstream.WithExpectLastSequencePerSubject(0)
	if keyed {
		// A key that is used again for another kind of job lies under another subject, hence the wildcard.
		onlyIfNew = jetstream.WithExpectLastSequenceForSubject(0, broker.AnyJobSubject(spec.Owner, spec.ID))
	}
	ctx, span := telemetry.StartSend(ctx, string(spec.Kind), spec.ID)
	defer span.End()
	receipt, err := q.publish(ctx, &nats.Msg{Subject: subject, Data: data, Header: telemetry.TraceHeader(ctx)}, onlyIfNew)
	if err != nil {
		span.Fail(sendFailure(err))
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		// A caller that went away says nothing about NATS.
		q.note(err)
	}
	return receipt, err
}

// sendFailure returns the code under which a trace shows why a job was not stored.
func sendFailure(err error) string {
	switch {
	case errors.Is(err, ErrFull):
		return "queue_full"
	case errors.Is(err, ErrNoRoom):
		return "storage_full"
	}
	return "queue_unavailable"
}

// maxRefusalAge is for how long a push that failed says something about the next one.
const maxRefusalAge = 5 * time.Minute

// refusal is a push that failed although NATS was there.
type refusal struct {
	err        error
	at         time.Time
	reconnects uint64
}

// note keeps the outcome of the latest push.
func (q *Queue) note(err error) {
	if err == nil {
		q.refused.Store(nil)
	} else if q.nc.IsConnected() {
		q.refused.Store(&refusal{err: err, at: time.Now(), reconnects: q.nc.Stats().Reconnects})
	}
}

// Refusal returns why NATS did not take the latest push of this process, nil when it did, when it was not there, and when
// that is some minutes or a reconnect ago. A disk that failed under the queue is noticed by nothing but writing.
func (q *Queue) Refusal() error {
	r := q.refused.Load()
	if r == nil || time.Since(r.at) >= maxRefusalAge || r.reconnects != q.nc.Stats().Reconnects {
		return nil
	}
	return r.err
}
