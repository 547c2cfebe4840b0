package feed_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/jobs/jobstest"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(brokertest.Main(m, 4)) }

const (
	// hang bounds every wait.
	hang = 2 * time.Minute
	// owner is the default owner of jobs.
	owner = "u1"
)

// noRereads turns off ticks and rereads, so that every event comes from a write.
var noRereads = feed.Config{Tick: time.Hour, Reread: time.Hour}

// rig is a feed with helpers that write to its NATS.
type rig struct {
	broker  *broker.Broker
	queue   *queue.Queue
	control *control.Controller
	store   *store.Store
	jobs    *jobs.Service
	feed    *feed.Feed
}

func start(t testing.TB, cfg feed.Config) *rig {
	t.Helper()
	return startOn(t, brokertest.Start(t), cfg)
}

// startOn starts a feed on a broker.
func startOn(t testing.TB, b *broker.Broker, cfg feed.Config) *rig {
	t.Helper()
	on := jobstest.On(t, b)
	controls, err := control.Open(t.Context(), b)
	must(t, err)
	r := &rig{broker: b, queue: on.Queue, control: control.NewController(controls, discardLog(), nil), store: on.Store, jobs: on.Jobs}
	r.feed = feed.New(b, r.jobs, r.queue, r.control, cfg, discardLog())
	t.Cleanup(r.feed.Stop)
	// The first publish subscribes to the acknowledgements; tests count the subscriptions of the feed.
	must(t, r.store.Probe(t.Context()))
	return r
}

func discardLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// push queues an image job of a member.
func (r *rig) push(t testing.TB, id string, options ...func(*job.Spec)) *job.Spec {
	t.Helper()
	in, err := job.NewInput(job.KindImage)
	must(t, err)
	now := time.Now()
	spec := &job.Spec{
		ID: id, Kind: job.KindImage, Lane: job.LaneMember, Owner: owner, Input: in, CreatedAt: job.At(now),
		Deadline: job.At(now.Add(time.Hour)), MaxAttempts: 8, Fingerprint: "f-" + id,
	}
	for _, option := range options {
		option(spec)
	}
	_, err = r.queue.Push(t.Context(), spec, false)
	must(t, err)
	return spec
}

// put writes a running state of a job, replacing any previous one.
func (r *rig) put(t testing.TB, spec *job.Spec, delivery, step uint64) {
	t.Helper()
	r.putProgress(t, spec, &job.Progress{Status: job.StatusRunning, Delivery: delivery, Step: step, Attempt: int(delivery)})
}

func (r *rig) putProgress(t testing.TB, spec *job.Spec, p *job.Progress) {
	t.Helper()
	p.ID = spec.ID
	_, revision, err := r.store.ProgressLeader(t.Context(), spec.Owner, spec.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	_, err = r.store.PutProgress(t.Context(), spec.Owner, p, revision)
	must(t, err)
}

// settle ends a job like a worker: record, progress, queue.
func (r *rig) settle(t testing.TB, spec *job.Spec) {
	t.Helper()
	r.putRecord(t, spec)
	must(t, r.store.DeleteProgress(t.Context(), spec.Owner, spec.ID))
	r.removeFromQueue(t, spec)
}

// putRecord stores the record of a job without the rest of the settlement.
func (r *rig) putRecord(t testing.TB, spec *job.Spec) {
	t.Helper()
	must(t, r.end(t.Context(), spec, time.Now()))
}

func (r *rig) end(ctx context.Context, spec *job.Spec, at time.Time) error {
	_, _, err := r.store.PutRecord(ctx, &job.Record{
		Spec: spec, Status: job.StatusSucceeded, Attempt: 1, FinishedAt: job.At(at), Result: &job.Result{Text: "done"},
	})
	return err
}

// removeFromQueue removes a job from the queue.
func (r *rig) removeFromQueue(t testing.TB, spec *job.Spec) {
	t.Helper()
	entry, err := r.queue.FindLeader(t.Context(), spec.Owner, spec.ID)
	must(t, err)
	must(t, r.queue.Delete(t.Context(), entry.Sequence))
}

// disableEvents turns off republishing, as if every event were lost.
func (r *rig) disableEvents(t testing.TB) {
	t.Helper()
	for _, name := range []string{broker.StreamJobs, broker.ProgressStream, broker.ResultsStream} {
		stream, err := r.broker.JetStream().Stream(t.Context(), name)
		must(t, err)
		cfg := stream.CachedInfo().Config
		cfg.RePublish = nil
		_, err = r.broker.JetStream().UpdateStream(t.Context(), cfg)
		must(t, err)
	}
}

func (r *rig) watch(t testing.TB, spec *job.Spec) *feed.Reader {
	t.Helper()
	reader, err := r.feed.Watch(t.Context(), []string{spec.Owner}, spec.ID)
	must(t, err)
	t.Cleanup(reader.Close)
	return reader
}

func (r *rig) watchOwner(t testing.TB, since time.Time) *feed.Reader {
	t.Helper()
	reader, err := r.feed.WatchOwners(t.Context(), []string{owner}, since)
	must(t, err)
	t.Cleanup(reader.Close)
	return reader
}

// pullAndAbandon pulls the oldest job and never acknowledges it.
func (r *rig) pullAndAbandon(t testing.TB) {
	t.Helper()
	lane, err := r.queue.Lane(t.Context(), job.KindImage, job.LaneMember)
	must(t, err)
	puller, err := r.queue.Puller()
	must(t, err)
	defer puller.Close()
	d, err := puller.Pull(lane, hang)
	must(t, err)
	if d == nil {
		t.Fatal("no job was pulled")
	}
}

// next returns the next event.
func next(t testing.TB, reader *feed.Reader) feed.Event {
	t.Helper()
	select {
	case e, open := <-reader.Events():
		if !open {
			t.Fatalf("the events ended: %v", reader.Err())
		}
		if e.Job == nil || e.Snapshot == nil || e.Job.ID != e.Snapshot.Spec.ID || e.Job.Status != e.Snapshot.Status() {
			t.Fatalf("inconsistent event %+v", e)
		}
		return e
	case <-time.After(hang):
		t.Fatal("no event arrived")
		return feed.Event{}
	}
}

// expect reads events and fails the test unless they have the given IDs in order.
func expect(t testing.TB, reader *feed.Reader, ids ...string) {
	t.Helper()
	for i, id := range ids {
		if e := next(t, reader); e.ID != id {
			t.Fatalf("event %d is %q (%s), want %q", i, e.ID, e.Job.Status, id)
		}
	}
}

// expectStates reads events and fails the test unless they are the given ones in order, each as "<job ID> <event ID>".
func expectStates(t testing.TB, reader *feed.Reader, states ...string) {
	t.Helper()
	for i, state := range states {
		if e := next(t, reader); e.Job.ID+" "+e.ID != state {
			t.Fatalf("event %d is %q (%s), want %q", i, e.Job.ID+" "+e.ID, e.Job.Status, state)
		}
	}
}

// expectEnd fails the test unless the events end without another one, and the reader ended with the given error.
func expectEnd(t testing.TB, reader *feed.Reader, want error) {
	t.Helper()
	select {
	case e, open := <-reader.Events():
		if open {
			t.Fatalf("event %q after the end", e.ID)
		}
	case <-time.After(hang):
		t.Fatal("the events did not end")
	}
	if err := reader.Err(); !errors.Is(err, want) || (want == nil) != (err == nil) {
		t.Errorf("the reader ended with %v, want %v", err, want)
	}
}

// drain reads and discards all events until the end.
func drain(t testing.TB, reader *feed.Reader) {
	t.Helper()
	limit := time.After(hang)
	for {
		select {
		case _, open := <-reader.Events():
			if !open {
				return
			}
		case <-limit:
			t.Fatal("the events did not end")
		}
	}
}

// eventually polls until a condition holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(hang); !holds(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// registerWorker registers a worker with slots and a run time for images.
func (r *rig) registerWorker(t testing.TB, id string, slots int, seconds float64) {
	t.Helper()
	must(t, r.control.RegisterWorker(t.Context(), control.Worker{
		ID: id, Version: "1", Mode: "simulator", StartedAt: job.At(time.Now()), Slots: map[job.Kind]int{job.KindImage: slots},
		RunSeconds: map[job.Kind]float64{job.KindImage: seconds},
	}))
}

// publish sends an event that does not match the stored state.
func (r *rig) publish(t testing.TB, subject string, data []byte) {
	t.Helper()
	must(t, r.broker.Conn().Publish(subject, data))
	must(t, r.broker.Conn().Flush())
}

func encoded(t testing.TB, v interface{ Encode() ([]byte, error) }) []byte {
	t.Helper()
	data, err := v.Encode()
	must(t, err)
	return data
}
