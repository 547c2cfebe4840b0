package jobs_test

import (
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/jobs/jobstest"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(brokertest.Main(m, 4)) }

// hang is the timeout of operations that normally take moments.
const hang = 2 * time.Minute

// rig is a service with its broker, queue and store.
type rig struct {
	*jobs.Service
	broker *broker.Broker
	queue  *queue.Queue
	store  *store.Store
}

func start(t testing.TB, options ...func(*broker.Config)) *rig {
	t.Helper()
	return on(t, brokertest.Start(t, options...))
}

func on(t testing.TB, b *broker.Broker) *rig {
	t.Helper()
	r := jobstest.On(t, b)
	return &rig{Service: r.Jobs, broker: b, queue: r.Queue, store: r.Store}
}

func newID(t testing.TB) (string, time.Time) {
	t.Helper()
	id, created, err := jobs.NewID()
	if err != nil {
		t.Fatal(err)
	}
	return id, created
}

// specOf returns the spec of a member's image job.
func specOf(owner, id string, created time.Time) *job.Spec {
	return &job.Spec{
		V: job.Version, ID: id, Kind: job.KindImage, Lane: job.LaneMember, Owner: owner, Input: &job.ImageInput{Prompt: "a fox"},
		CreatedAt: job.At(created), Deadline: job.At(created.Add(time.Hour)), MaxAttempts: 8, Fingerprint: "f1",
	}
}

func fresh(t testing.TB, owner string) *job.Spec {
	t.Helper()
	id, created := newID(t)
	return specOf(owner, id, created)
}

// submit adds a new job of u1 to the queue.
func (r *rig) submit(t testing.TB) *job.Spec {
	t.Helper()
	spec := fresh(t, "u1")
	r.submitSpec(t, spec)
	return spec
}

func (r *rig) submitSpec(t testing.TB, spec *job.Spec) {
	t.Helper()
	snap, replayed, err := r.Enqueue(t.Context(), spec, false)
	if err != nil || replayed || snap.Spec != spec || snap.Sequence == 0 || snap.Status() != job.StatusQueued {
		t.Fatalf("submit: %+v, replayed %t, %v", snap, replayed, err)
	}
}

// progress stores the first progress of a job, as a worker does.
func (r *rig) progress(t testing.TB, spec *job.Spec, status job.Status) {
	t.Helper()
	p := &job.Progress{
		ID: spec.ID, Status: status, Delivery: 1, Step: 1, Attempt: 1, Counts: job.Counts{Failures: 1}, StartedAt: job.AtPtr(time.Now()),
	}
	if status == job.StatusRetrying {
		p.LastError = job.NewError(job.CodeThrottled, 429)
	}
	if _, err := r.store.PutProgress(t.Context(), spec.Owner, p, 0); err != nil {
		t.Fatal(err)
	}
}

// notices returns a channel with the ids of jobs whose worker is notified that they have ended.
func (r *rig) notices(t testing.TB) <-chan string {
	t.Helper()
	ids := make(chan string, 100)
	stop, err := r.queue.OnCancel(func(id string) { ids <- id })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return ids
}

// puller returns a function that pulls a job, as a worker's slot does.
func (r *rig) puller(t testing.TB) func() *queue.Delivery {
	t.Helper()
	lane, err := r.queue.Lane(t.Context(), job.KindImage, job.LaneMember)
	if err != nil {
		t.Fatal(err)
	}
	puller, err := r.queue.Puller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(puller.Close)
	return func() *queue.Delivery {
		d, err := puller.Pull(lane, hang)
		if err != nil || d == nil {
			t.Errorf("pull: %+v, %v", d, err)
		}
		return d
	}
}

// finish ends a queued job, as a worker does.
func (r *rig) finish(t testing.TB, spec *job.Spec) *job.Record {
	t.Helper()
	record := r.record(t, spec, job.StatusSucceeded)
	r.unqueue(t, spec)
	return record
}

func (r *rig) record(t testing.TB, spec *job.Spec, status job.Status) *job.Record {
	t.Helper()
	record := &job.Record{Status: status, Spec: spec, Attempt: 1, FinishedAt: job.At(time.Now())}
	if status == job.StatusFailed {
		record.Error = job.NewError(job.CodeUnavailable, 502)
	}
	return r.putRecord(t, record)
}

// putRecord stores a terminal record without the rest of the settlement.
func (r *rig) putRecord(t testing.TB, record *job.Record) *job.Record {
	t.Helper()
	final, won, err := r.store.PutRecord(t.Context(), record)
	if err != nil || !won {
		t.Fatalf("settle: won %t, %v", won, err)
	}
	return final
}

func (r *rig) unqueue(t testing.TB, spec *job.Spec) {
	t.Helper()
	entry, err := r.queue.FindLeader(t.Context(), spec.Owner, spec.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.queue.Delete(t.Context(), entry.Sequence); err != nil {
		t.Fatal(err)
	}
}

// queued reports whether the job is in the queue.
func (r *rig) queued(t testing.TB, spec *job.Spec) bool {
	t.Helper()
	_, err := r.queue.FindLeader(t.Context(), spec.Owner, spec.ID)
	if err != nil && !errors.Is(err, queue.ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

// read reads a job as its owner.
func (r *rig) read(t testing.TB, spec *job.Spec) *job.Snapshot {
	t.Helper()
	snap, err := r.Read(t.Context(), []string{spec.Owner}, spec.ID)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return snap
}
