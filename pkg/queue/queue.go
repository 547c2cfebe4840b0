package queue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

var (
	// ErrFull is returned when the queue holds its maximum number of jobs.
	ErrFull = errors.New("the queue is full")
	// ErrNoRoom is returned when NATS has no storage left for a job.
	ErrNoRoom = errors.New("the store is full")
	// ErrUnavailable is returned when NATS did not acknowledge a job; whether it was stored is unknown.
	ErrUnavailable = errors.New("the queue is unavailable")
	// ErrNotFound is returned for a job that is not in the queue.
	ErrNotFound = errors.New("not in the queue")
)

// Queue is the stream of queued jobs.
type Queue struct {
	broker *broker.Broker
	nc     *nats.Conn
	js     jetstream.JetStream
	stream jetstream.Stream
	// triggerReconcile is called when a stream or consumer seems to be missing; complete reports whether none is known to be.
	triggerReconcile func()
	complete         func() bool
	refused          atomic.Pointer[refusal]
	timing           timing
	places           places
}

// New opens the queue on a broker. It costs one request.
func New(ctx context.Context, b *broker.Broker) (*Queue, error) {
	stream, err := b.JetStream().Stream(ctx, broker.StreamJobs)
	if err != nil {
		return nil, fmt.Errorf("open queue: %w", err)
	}
	return &Queue{
		broker: b, nc: b.Conn(), js: b.JetStream(), stream: stream, triggerReconcile: b.TriggerReconcile, complete: b.Complete, timing: defaultTiming,
		places: places{reuse: defaultReuse},
	}, nil
}

// Connected reports whether the connection to NATS is up.
func (q *Queue) Connected() bool { return q.nc.IsConnected() }

// Entry is a job in the queue.
type Entry struct {
	Spec     *job.Spec
	Sequence uint64
}

// Find returns the job with the given owner and id, of any kind and lane. It reads from any replica, which may be behind;
// FindLeader is never stale. It fails with ErrNotFound and costs one request.
func (q *Queue) Find(ctx context.Context, owner, id string) (*Entry, error) {
	return q.find(ctx, owner, id, q.lastDirect)
}

// FindLeader is like Find but reads from the leader of the stream.
func (q *Queue) FindLeader(ctx context.Context, owner, id string) (*Entry, error) {
	return q.find(ctx, owner, id, q.lastFromLeader)
}

func (q *Queue) find(ctx context.Context, owner, id string,
	last func(context.Context, string) (*jetstream.RawStreamMsg, error),
) (*Entry, error) {
	msg, err := last(ctx, broker.AnyJobSubject(owner, id))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil, ErrNotFound
	case err != nil:
		return nil, fmt.Errorf("find job: %w", err)
	}
	spec, err := job.DecodeSpec(msg.Data)
	if err != nil {
		return nil, fmt.Errorf("find job: %w", err)
	}
	return &Entry{Spec: spec, Sequence: msg.Sequence}, nil
}

func (q *Queue) lastDirect(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	return q.stream.GetLastMsgForSubject(ctx, subject)
}

func (q *Queue) lastFromLeader(ctx context.Context, subject string) (*jetstream.RawStreamMsg, error) {
	return broker.LeaderLast(ctx, q.js, broker.StreamJobs, subject)
}

// FindMany returns up to a thousand jobs of an owner, by id. It reads from any replica and omits jobs that the replica does not
// have. It costs one request.
func (q *Queue) FindMany(ctx context.Context, owner string, ids []string) (map[string]*Entry, error) {
	entries := make(map[string]*Entry, len(ids))
	err := broker.LastMessages(ctx, q.js, broker.StreamJobs, ids, func(id string) string { return broker.AnyJobSubject(owner, id) },
		func(id string, msg *jetstream.RawStreamMsg) error {
			spec, err := job.DecodeSpec(msg.Data)
			if err == nil {
				entries[id] = &Entry{Spec: spec, Sequence: msg.Sequence}
			}
			return err
		})
	return entries, err
}

// FindAll returns those of any number of jobs of an owner that are in the queue, by id. It asks the leader which these are, so that it
// need not search for the kind of each, and reads them from any replica: queued has all, and entries those that the replica has. It
// costs one request, and one for each hundred jobs.
func (q *Queue) FindAll(ctx context.Context, owner string, ids []string) (queued map[string]bool, entries map[string]*Entry, err error) {
	subjects, err := q.ownerSubjects(ctx, owner)
	if err != nil {
		return nil, nil, err
	}
	queued, entries = make(map[string]bool), make(map[string]*Entry)
	var present []string
	for _, id := range ids {
		if subjects[id] != "" {
			queued[id] = true
			present = append(present, id)
		}
	}
	for part := range slices.Chunk(present, readAtOnce) {
		err := broker.LastMessages(ctx, q.js, broker.StreamJobs, part, func(id string) string { return subjects[id] },
			func(id string, msg *jetstream.RawStreamMsg) error {
				spec, err := job.DecodeSpec(msg.Data)
				if err == nil {
					entries[id] = &Entry{Spec: spec, Sequence: msg.Sequence}
				}
				return err
			})
		if err != nil {
			return nil, nil, err
		}
	}
	return queued, entries, nil
}

// readAtOnce is how many jobs FindAll reads with one request.
const readAtOnce = 100

// Delete removes a job from the queue. Removing a job that is not there is no error. It costs one request, and another one if
// the first is refused.
func (q *Queue) Delete(ctx context.Context, sequence uint64) error {
	err := q.stream.DeleteMsg(ctx, sequence)
	if err == nil {
		return nil
	}
	// The error does not say whether the job is gone or the stream has a problem.
	if _, missing := broker.LeaderMessage(ctx, q.js, broker.StreamJobs, sequence); errors.Is(missing, jetstream.ErrMsgNotFound) {
		return nil
	}
	return fmt.Errorf("delete job from queue: %w", err)
}

// Remove removes the job with an owner and id from the queue if it is there, even if it cannot be decoded. It costs a request more than
// Delete.
func (q *Queue) Remove(ctx context.Context, owner, id string) error {
	msg, err := q.lastFromLeader(ctx, broker.AnyJobSubject(owner, id))
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return nil
	case err != nil:
		return fmt.Errorf("find job: %w", err)
	}
	return q.Delete(ctx, msg.Sequence)
}

// AnnounceCancel notifies the worker that has a job that the job was canceled. The message may be lost; workers also check
// periodically.
func (q *Queue) AnnounceCancel(id string) error {
	if err := q.nc.Publish(broker.CancelSubject(id), nil); err != nil {
		return fmt.Errorf("announce cancel: %w", err)
	}
	return nil
}

// OnCancel calls f with the id of each job that AnnounceCancel names, until stop is called.
func (q *Queue) OnCancel(f func(id string)) (stop func(), err error) {
	sub, err := q.nc.Subscribe(broker.CancelsSubject, func(m *nats.Msg) {
		f(m.Subject[len("cancel."):])
	})
	if err != nil {
		return nil, fmt.Errorf("subscribe to cancels: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, nil
}

// OwnerCount returns how many jobs of an owner are queued, at a fraction of the cost of OwnerIDs. It reads from any replica: only
// where there is no other one, as Broker.Alone reports, it is never stale. It costs one request.
func (q *Queue) OwnerCount(ctx context.Context, owner string) (int, error) {
	n, err := broker.CountFrom(ctx, q.js, broker.StreamJobs, broker.OwnerJobsSubject(owner), 1)
	if err != nil {
		return 0, fmt.Errorf("count jobs of owner: %w", err)
	}
	return int(min(n, math.MaxInt32)), nil
}

// OwnerIDs returns the ids of all queued jobs of an owner. It costs one request to the leader of the stream.
func (q *Queue) OwnerIDs(ctx context.Context, owner string) ([]string, error) {
	subjects, err := q.ownerSubjects(ctx, owner)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(subjects))
	for id := range subjects {
		ids = append(ids, id)
	}
	return ids, nil
}

// ownerSubjects returns the subjects of all queued jobs of an owner by their ids.
func (q *Queue) ownerSubjects(ctx context.Context, owner string) (map[string]string, error) {
	var info *jetstream.StreamInfo
	err := broker.RetryUnanswered(ctx, func(ctx context.Context) (err error) {
		info, err = q.stream.Info(ctx, jetstream.WithSubjectFilter(broker.OwnerJobsSubject(owner)))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list jobs of owner: %w", err)
	}
	subjects := make(map[string]string, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		if _, _, _, id, ok := broker.ParseJobSubject(subject); ok {
			subjects[id] = subject
		}
	}
	return subjects, nil
}
