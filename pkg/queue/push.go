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

// Receipt is the outcome of a push.
type Receipt struct {
	// Sequence is the job's sequence in the stream; 0 when it was stored before.
	Sequence uint64
	// AlreadyThere says that a job with this owner, kind, lane and id is in the queue already.
	AlreadyThere bool
	// Repeated says that the job was published more than once, because the first answer was lost. Whether the first publish was
	// stored, worked and settled meanwhile can only be seen in the results.
	Repeated bool
}

// Push stores a job durably: when it returns without an error the job is on disk. A trace in ctx is stored in the message's
// headers. A keyed job, one whose id is derived from an idempotency key, is stored only when it is not in the queue yet.
//
// Push waits for a slow store until ctx ends, for PublishTimeout when ctx has no deadline. It fails with ErrFull when the
// queue holds its maximum of jobs, with ErrNoRoom when NATS has no storage left, and with ErrUnavailable when NATS did not
// confirm; the job may then be stored or not, as when ctx is canceled. It costs one acknowledged publish; while that goes
// unanswered, another one after 5 seconds, 15 and 35.
func (q *Queue) Push(ctx context.Context, spec *job.Spec, keyed bool) (Receipt, error) {
	data, err := spec.Encode()
	if err != nil {
		return Receipt{}, err
	}
	subject := broker.JobSubject(spec.Kind, spec.Lane, spec.Owner, spec.ID)
	// The id is unique, but the publish itself may arrive a second time, late and on another connection.
	onlyIfNew := jetstream.WithExpectLastSequencePerSubject(0)
	if keyed {
		// A key that is reused for another kind of job has another subject, hence the wildcard.
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

// sendFailure returns the code with which a trace shows why a job was not stored.
func sendFailure(err error) string {
	switch {
	case errors.Is(err, ErrFull):
		return "queue_full"
	case errors.Is(err, ErrNoRoom):
		return "storage_full"
	}
	return "queue_unavailable"
}

// maxRefusalAge is for how long a failed push says something about the next one.
const maxRefusalAge = 5 * time.Minute

// refusal is a push that failed although NATS was connected.
type refusal struct {
	err        error
	at         time.Time
	reconnects uint64
}

// note stores the outcome of the latest push.
func (q *Queue) note(err error) {
	if err == nil {
		q.refused.Store(nil)
	} else if q.nc.IsConnected() {
		q.refused.Store(&refusal{err: err, at: time.Now(), reconnects: q.nc.Stats().Reconnects})
	}
}

// Refusal returns why NATS refused the latest push of this process; nil when it succeeded, when NATS was not connected, and when
// it is some minutes or a reconnect old. Only a write reveals that the disk under the queue has failed.
func (q *Queue) Refusal() error {
	r := q.refused.Load()
	if r == nil || time.Since(r.at) >= maxRefusalAge || r.reconnects != q.nc.Stats().Reconnects {
		return nil
	}
	return r.err
}
