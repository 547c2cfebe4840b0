package queue

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

// Receipt is the outcome of a push.
type Receipt struct {
	// Sequence is the job's sequence in the stream; 0 when it was stored before.
	Sequence uint64
	// AlreadyThere reports whether a job with this owner, kind, lane and id was in the queue already.
	AlreadyThere bool
	// Repeated reports whether the job was published more than once because an answer was lost. Only the results show whether
	// the first publish was stored and the job run and settled meanwhile.
	Repeated bool
}

// Push stores a job durably: when it returns without an error, the job is on disk. A trace in ctx is stored in the message's
// headers. A keyed job, whose id is derived from an idempotency key, is stored only if it is not in the queue yet.
//
// Push waits for a slow store until ctx ends, or for PublishTimeout if ctx has no deadline. It fails with ErrFull, ErrNoRoom, and
// with ErrUnavailable when NATS did not acknowledge; the job may then be stored or not, as when ctx is canceled. It costs one
// acknowledged publish and, without an answer, another one after 5, 15 and 35 seconds.
func (q *Queue) Push(ctx context.Context, spec *job.Spec, keyed bool) (Receipt, error) {
	data, err := spec.Encode()
	if err != nil {
		return Receipt{}, err
	}
	subject := broker.JobSubject(spec.Kind, spec.Lane, spec.Owner, spec.ID)
	ctx, span := telemetry.StartSend(ctx, string(spec.Kind), spec.ID)
	defer span.End()
	// The id is unique, but the publish itself may arrive a second time, late and over another connection.
	header := broker.ExpectLast(0)
	if keyed {
		// The same key may be used for another kind of job, which has another subject, hence the wildcard.
		header = broker.ExpectLastFor(0, broker.AnyJobSubject(spec.Owner, spec.ID))
	}
	if trace := telemetry.TraceHeader(ctx); len(trace) > 0 {
		header = maps.Clone(header)
		maps.Copy(header, trace)
	}
	receipt, err := q.publish(ctx, &nats.Msg{Subject: subject, Data: data, Header: header})
	if err != nil {
		span.Fail(sendFailure(err))
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		// A caller that disconnects is no failure of NATS.
		q.note(err)
	}
	return receipt, err
}

// sendFailure returns the code that describes an error in a trace.
func sendFailure(err error) string {
	switch {
	case errors.Is(err, ErrFull):
		return "queue_full"
	case errors.Is(err, ErrNoRoom):
		return "storage_full"
	}
	return "queue_unavailable"
}

// maxRefusalAge is for how long Refusal returns the error of a failed push.
const maxRefusalAge = 5 * time.Minute

// refusal is a push that failed although NATS was connected.
type refusal struct {
	err        error
	at         time.Time
	reconnects uint64
}

// note records the outcome of the latest push.
func (q *Queue) note(err error) {
	if err == nil {
		q.refused.Store(nil)
	} else if q.nc.IsConnected() {
		q.refused.Store(&refusal{err: err, at: time.Now(), reconnects: q.nc.Stats().Reconnects})
	}
}

// Refusal returns the error of the latest push of this process; nil if it succeeded, if NATS was not connected, and if some
// minutes or a reconnect have passed since. Only a write reveals that the disk of the queue has failed.
func (q *Queue) Refusal() error {
	r := q.refused.Load()
	if r == nil || time.Since(r.at) >= maxRefusalAge || r.reconnects != q.nc.Stats().Reconnects {
		return nil
	}
	return r.err
}
