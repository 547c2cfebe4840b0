package batch_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/batch"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/catalogue"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/jobs/jobstest"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
	"github.com/text2image-audio/text2image-audio/pkg/store"
	"github.com/text2image-audio/text2image-audio/pkg/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errCrash = errors.New("the test stops the program here")

// perDay is the daily quota of a member.
const perDay = 50

// rig is two processes on one NATS.
type rig struct {
	*jobstest.Rig
	// first and second are the batches of the processes; the clock of the second is a minute ahead.
	first, second *batch.Service
	submitters    []*jobs.Submitter
}

func start(t *testing.T, settings ...func(*jobs.Config)) *rig {
	t.Helper()
	return on(t, jobstest.Start(t), settings...)
}

func on(t *testing.T, in *jobstest.Rig, settings ...func(*jobs.Config)) *rig {
	t.Helper()
	r := &rig{Rig: in}
	log := slog.New(slog.DiscardHandler)
	cfg := jobs.Config{MaxAttempts: 8, Voice: "nova", MaxActiveMember: 2, MaxActiveBatch: 100}
	for _, set := range settings {
		set(&cfg)
	}
	for _, service := range []**batch.Service{&r.first, &r.second} {
		var err error
		if *service, err = batch.New(t.Context(), r.Broker, r.Jobs, log); err != nil {
			t.Fatal(err)
		}
		limits := quota.Plan{Member: quota.Limits{PerMinute: 1000, PerDay: perDay}}
		submitter, err := jobs.NewSubmitter(cfg, jobs.SubmitterDeps{
			Jobs: r.Jobs, Quota: quota.New(r.Broker, quota.Plans{Media: limits, Text: limits}, nil), Catalogue: catalogue.Builtin(),
			Secret: []byte("a secret"), Metrics: telemetry.NewMetrics(), Log: log,
		})
		if err != nil {
			t.Fatal(err)
		}
		r.submitters = append(r.submitters, submitter)
	}
	r.second.SetNow(func() time.Time { return time.Now().Add(time.Minute) })
	t.Cleanup(func() {
		_ = r.first.Stop(context.Background())
		_ = r.second.Stop(context.Background())
	})
	return r
}

func caller(owner string) jobs.Caller {
	return jobs.Caller{Owner: owner, Lane: job.LaneMember, Address: "192.0.2.1"}
}

// request returns a batch of n image jobs of an owner.
func (r *rig) request(t *testing.T, owner, key string, n int) batch.Request {
	t.Helper()
	request := batch.Request{Caller: caller(owner), Key: key}
	for i := range n {
		request.Orders = append(request.Orders, r.order(t, job.KindImage, &job.ImageInput{Prompt: fmt.Sprint("fox ", i)}))
	}
	return request
}

func (r *rig) order(t *testing.T, kind job.Kind, in job.Input) *jobs.Order {
	t.Helper()
	o, err := r.submitters[0].NewOrder(kind, in, nil, catalogue.Builtin())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// charged returns how much of the daily quota of media an owner has used.
func (r *rig) charged(t *testing.T, owner string) int {
	t.Helper()
	list, err := r.submitters[1].Usage(t.Context(), caller(owner))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(u quota.Usage) bool { return u.Window == quota.WindowDay })
	return list[i].Used
}

// expect checks that an owner has the queued jobs, no more stored than these, and as many units charged.
func (r *rig) expect(t *testing.T, owner string, queued, charged int) {
	t.Helper()
	ids, err := r.Queue.OwnerIDs(t.Context(), owner)
	if err != nil || len(ids) != queued {
		t.Errorf("%d jobs in the queue, want %d: %v", len(ids), queued, err)
	}
	if got := r.charged(t, owner); got != charged {
		t.Errorf("%d units charged, want %d", got, charged)
	}
}

// settled checks that nothing is stored of unfinished batches, except for jobs without a record.
func (r *rig) settled(t *testing.T) {
	t.Helper()
	stream, err := r.Broker.JetStream().Stream(t.Context(), broker.BatchesStream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(broker.UnfinishedBatchesSubject()))
	if err != nil || len(info.State.Subjects) > 0 {
		t.Errorf("left: %v, %v", info.State.Subjects, err)
	}
}

// TestAcceptStoppedInEachGap stops the process after each step of an acceptance. Then either the request is repeated with its key, or
// the sweeper of another process comes. The batch exists as a whole or not at all, each job once, and is charged once or not at all.
func TestAcceptStoppedInEachGap(t *testing.T) {
	t.Parallel()
	const n = 5
	r := start(t)
	for _, step := range batch.Steps() {
		for _, way := range []string{"repeated", "swept"} {
			owner := "u-" + string(step) + "-" + way
			var steps atomic.Int32
			r.first.SetAfter(func(at batch.Step) error {
				// Of the jobs, some are in the queue.
				if at == step && (at != batch.StepPublish || steps.Add(1) == 2) {
					return errCrash
				}
				return nil
			})
			got, err := r.first.Accept(t.Context(), r.submitters[0], r.request(t, owner, "k", n))
			committed := slices.Contains(batch.Steps()[3:], step)
			if step == batch.StepPublish {
				// Everybody else sees the batch already.
				if err != nil || got.Batch.State != batch.StateAccepting {
					t.Fatalf("%s: %+v, %v", owner, got, err)
				}
			} else if step != "accepted" && !errors.Is(err, errCrash) {
				t.Fatalf("%s: %v", owner, err)
			}
			done := 0
			if ids, _ := r.Queue.OwnerIDs(t.Context(), owner); len(ids) > 0 {
				r.finish(t, owner, ids[0]) // A worker is fast.
				done = 1
			}
			want := n
			if way == "swept" {
				if !committed {
					want = 0
				}
				if err := r.second.Sweep(t.Context()); err != nil {
					t.Errorf("%s: %v", owner, err)
				}
			} else {
				for range 2 {
					again, err := r.second.Accept(t.Context(), r.submitters[1], r.request(t, owner, "k", n))
					if err != nil || again.Batch.State != batch.StateAccepted || again.Batch.Jobs != n {
						t.Fatalf("%s: repeated: %+v, %v", owner, again, err)
					}
				}
				if _, err := r.second.Accept(t.Context(), r.submitters[1], r.request(t, owner, "k", n-1)); !errors.Is(err, jobs.ErrKeyReused) {
					t.Errorf("%s: another request: %v", owner, err)
				}
			}
			r.expect(t, owner, want-done, want)
			list, more, err := r.second.List(t.Context(), []string{owner}, batch.Position{}, 10)
			if err != nil || more || len(list) != min(1, want) {
				t.Fatalf("%s: %d batches, %v", owner, len(list), err)
			}
			for _, b := range list {
				if found, err := r.second.Jobs(t.Context(), b); err != nil || len(found) != n || b.State != batch.StateAccepted {
					t.Errorf("%s: %d jobs, %s, %v", owner, len(found), b.State, err)
				}
			}
		}
	}
	// What was stored before its record is removed later.
	r.second.SetNow(func() time.Time { return time.Now().Add(time.Hour) })
	if err := r.second.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	r.settled(t)
}

// finish ends a queued job as a worker does.
func (r *rig) finish(t *testing.T, owner, id string) {
	t.Helper()
	r.finishAt(t, owner, id, time.Now())
}

// finishAt is finish at a time.
func (r *rig) finishAt(t *testing.T, owner, id string, at time.Time) {
	t.Helper()
	entry, err := r.Queue.FindLeader(t.Context(), owner, id)
	if err != nil {
		t.Fatal(err)
	}
	record := &job.Record{Spec: entry.Spec, Status: job.StatusSucceeded, FinishedAt: job.At(at), Result: &job.Result{}}
	product := store.Product{Media: job.Media{ContentType: "image/png"}, Data: []byte("x")}
	if _, _, err := r.Jobs.Settle(t.Context(), jobs.Settlement{Record: record, Products: []store.Product{product}}); err != nil {
		t.Fatal(err)
	}
}

// TestOneBatchPerKey repeats a request at once through two processes.
func TestOneBatchPerKey(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.second.SetNow(time.Now)
	var wg sync.WaitGroup
	var fresh atomic.Int32
	for i := range 8 {
		request := r.request(t, "u1", "k", 20)
		wg.Go(func() {
			got, err := []*batch.Service{r.first, r.second}[i%2].Accept(t.Context(), r.submitters[i%2], request)
			if err != nil || got.Batch.State != batch.StateAccepted {
				t.Errorf("%+v, %v", got, err)
				return
			}
			if !got.Replayed {
				fresh.Add(1)
			}
		})
	}
	wg.Wait()
	if fresh.Load() != 1 {
		t.Errorf("%d were the first", fresh.Load())
	}
	r.expect(t, "u1", 20, 20)
	r.settled(t)
}

// TestLimitsOfABatch exceeds each limit: nothing is accepted, stored or charged, and what the batch leaves can be used.
func TestLimitsOfABatch(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *jobs.Config) { c.MaxActiveBatch = 45 })
	accept := func(request batch.Request) error {
		_, err := r.first.Accept(t.Context(), r.submitters[0], request)
		return err
	}
	if err := accept(r.request(t, "u1", "", 40)); err != nil {
		t.Fatal(err)
	}
	if err := accept(r.request(t, "u1", "", 6)); cmp.Or(err, errCrash).Error() != "45 jobs are active already" {
		t.Errorf("six jobs too many: %v", err)
	}
	r.expect(t, "u1", 40, 40)
	// Texts have a quota of their own, which is not charged if the other is exceeded.
	mixed := r.request(t, "u2", "k", perDay)
	mixed.Orders[0] = r.order(t, job.KindImage, &job.ImageInput{Prompt: "two foxes", N: new(2)})
	mixed.Orders = append(mixed.Orders[:44:44], r.order(t, job.KindPrompt, &job.TextInput{Text: "a fox"}))
	if err := accept(mixed); err != nil {
		t.Errorf("45 jobs: %v", err)
	}
	r.expect(t, "u2", 45, 45)
	over := r.request(t, "u3", "k", 17)
	for i := range over.Orders {
		over.Orders[i] = r.order(t, job.KindImage, &job.ImageInput{Prompt: "three foxes", N: new(3)})
	}
	over.Orders = append(over.Orders, r.order(t, job.KindPrompt, &job.TextInput{Text: "a fox"}))
	var refusal *quota.Refusal
	if err := accept(over); !errors.As(err, &refusal) || refusal.Window != quota.WindowDay || refusal.Asked != 51 {
		t.Errorf("more than the quota: %v", err)
	}
	r.expect(t, "u3", 0, 0)
	if list, _, err := r.first.List(t.Context(), []string{"u3"}, batch.Position{}, 10); err != nil || len(list) > 0 {
		t.Errorf("%d batches, %v", len(list), err)
	}
	r.settled(t)
	// Jobs of batches do not count as others.
	for i := range 3 {
		_, err := r.submitters[0].Submit(t.Context(), caller("u1"), r.order(t, job.KindImage, &job.ImageInput{Prompt: "a fox"}))
		if _, tooMany := errors.AsType[*jobs.TooManyActiveError](err); tooMany != (i == 2) || (err != nil) != tooMany {
			t.Errorf("job %d: %v", i, err)
		}
	}
}

// TestCancelOfABatch cancels a batch of which some jobs have ended, and one whose process dies before it cancels the jobs.
func TestCancelOfABatch(t *testing.T) {
	t.Parallel()
	const n = 40
	r := start(t)
	for owner, cancel := range map[string]func(id string) error{
		"u1": func(id string) error {
			for range 2 {
				if _, err := r.first.Cancel(t.Context(), []string{"other", "u1"}, id); err != nil {
					return err
				}
			}
			return nil
		},
		"u2": func(id string) error {
			if _, err := r.first.MarkCanceled(t.Context(), []string{"u2"}, id); err != nil {
				return err
			}
			return r.second.Sweep(t.Context())
		},
	} {
		accepted, err := r.first.Accept(t.Context(), r.submitters[0], r.request(t, owner, "", n))
		if err != nil {
			t.Fatal(err)
		}
		b := accepted.Batch
		ids := b.JobIDs()
		r.finish(t, owner, ids[0])
		if err := cancel(b.ID); err != nil {
			t.Error(err)
		}
		found, err := r.second.Jobs(t.Context(), b)
		if err != nil || len(found) != n {
			t.Errorf("%d jobs, %v", len(found), err)
		}
		for i, id := range ids {
			if got := found[id].Status(); (got == job.StatusSucceeded) != (i == 0) || (got == job.StatusCanceled) != (i > 0) {
				t.Errorf("%s: job %d is %s", owner, i, got)
			}
		}
		r.expect(t, owner, 0, r.charged(t, owner))
		if _, err := r.first.Cancel(t.Context(), []string{"other"}, b.ID); !errors.Is(err, batch.ErrNotFound) || !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("another owner: %v", err)
		}
		if err := r.first.Erase(t.Context(), owner); err != nil {
			t.Error(err)
		}
		if _, err := r.first.Get(t.Context(), []string{owner}, b.ID); !errors.Is(err, batch.ErrNotFound) {
			t.Errorf("erased: %v", err)
		}
	}
	r.settled(t)
}

// canceled returns how many jobs of a batch are canceled.
func (r *rig) canceled(t *testing.T, b *batch.Batch) (n int) {
	t.Helper()
	found, err := r.second.Jobs(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, snap := range found {
		if snap.Status() == job.StatusCanceled {
			n++
		}
	}
	return n
}

// Cancels of a batch at the same time share the work, so that a client that repeats its request does not multiply it.
func TestConcurrentCancelsShareTheWork(t *testing.T) {
	t.Parallel()
	const n, callers = 40, 8
	r := start(t)
	accepted, err := r.first.Accept(t.Context(), r.submitters[0], r.request(t, "u1", "", n))
	if err != nil {
		t.Fatal(err)
	}
	var calling, returned sync.WaitGroup
	calling.Add(callers)
	var times atomic.Int32
	r.first.SetAfter(func(at batch.Step) error {
		if at == batch.StepCanceled {
			times.Add(1)
			calling.Wait()
		}
		return nil
	})
	for range callers {
		returned.Go(func() {
			calling.Done()
			if b, err := r.first.Cancel(t.Context(), []string{"u1"}, accepted.Batch.ID); err != nil || b.CanceledAt == nil {
				t.Errorf("%+v, %v", b, err)
			}
		})
	}
	returned.Wait()
	if got := times.Load(); got == callers {
		t.Errorf("the jobs were canceled %d times", got)
	}
	if got := r.canceled(t, accepted.Batch); got != n {
		t.Errorf("%d of %d jobs are canceled", got, n)
	}
}

// A batch whose jobs cannot be canceled now is canceled, and the sweeper cancels the jobs.
func TestCancelContinuesAfterAnError(t *testing.T) {
	t.Parallel()
	const n = 3
	r := start(t)
	accepted, err := r.first.Accept(t.Context(), r.submitters[0], r.request(t, "u1", "", n))
	if err != nil {
		t.Fatal(err)
	}
	r.first.SetAfter(func(at batch.Step) error {
		if at == batch.StepCanceled {
			return errCrash
		}
		return nil
	})
	if b, err := r.first.Cancel(t.Context(), []string{"u1"}, accepted.Batch.ID); err != nil || b.CanceledAt == nil {
		t.Errorf("%+v, %v", b, err)
	}
	if got := r.canceled(t, accepted.Batch); got != 0 {
		t.Errorf("%d jobs are canceled", got)
	}
	if err := r.second.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.canceled(t, accepted.Batch); got != n {
		t.Errorf("%d of %d jobs are canceled", got, n)
	}
}

// TestCancelOfAnEndedBatch cancels a batch before and after its last job has ended.
func TestCancelOfAnEndedBatch(t *testing.T) {
	t.Parallel()
	r := start(t)
	var times atomic.Int32
	r.first.SetAfter(func(at batch.Step) error {
		if at == batch.StepCanceled {
			times.Add(1)
		}
		return nil
	})
	for owner, left := range map[string]int{"u1": 0, "u2": 1} {
		accepted, err := r.first.Accept(t.Context(), r.submitters[0], r.request(t, owner, "", 3))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range accepted.Batch.JobIDs()[left:] {
			r.finish(t, owner, id)
		}
		b, err := r.first.Cancel(t.Context(), []string{owner}, accepted.Batch.ID)
		if err != nil || (b.CanceledAt != nil) != (left > 0) {
			t.Errorf("%d left: canceled at %v, %v", left, b.CanceledAt, err)
		}
		if stored, err := r.second.Get(t.Context(), []string{owner}, b.ID); err != nil || (stored.CanceledAt != nil) != (left > 0) {
			t.Errorf("%d left: %+v, %v", left, stored, err)
		}
	}
	if got := times.Load(); got != 1 {
		t.Errorf("jobs were canceled %d times", got)
	}
	r.settled(t)
}

// TestFullQueue refuses a batch that the queue cannot take, and completes one whose room was taken in the meantime.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	const n = 10
	r := start(t, func(c *jobs.Config) { c.MaxActiveMember = 0 })
	r.limitQueue(t, n)
	if _, err := r.first.Accept(t.Context(), r.submitters[0], r.request(t, "u1", "k", n+1)); !errors.Is(err, queue.ErrFull) {
		t.Errorf("too many: %v", err)
	}
	r.expect(t, "u1", 0, 0)
	var other []string
	r.first.SetAfter(func(at batch.Step) error {
		for at == "commit" && len(other) < 3 {
			submitted, err := r.submitters[0].Submit(t.Context(), caller("u2"), r.order(t, job.KindImage, &job.ImageInput{Prompt: "a fox"}))
			if err != nil {
				return err
			}
			other = append(other, submitted.Job.Spec.ID)
		}
		return nil
	})
	got, err := r.first.Accept(t.Context(), r.submitters[0], r.request(t, "u1", "k", n))
	if err != nil || got.Batch.State != batch.StateAccepting {
		t.Fatalf("%+v, %v", got, err)
	}
	r.expect(t, "u1", n-3, n)
	for _, id := range other {
		r.finish(t, "u2", id)
	}
	if err := r.second.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	r.expect(t, "u1", n, n)
	r.settled(t)
}

// limitQueue sets how many jobs the queue takes.
func (r *rig) limitQueue(t *testing.T, jobs int64) {
	t.Helper()
	stream, err := r.Broker.JetStream().Stream(t.Context(), broker.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.MaxMsgs = jobs
	if _, err := r.Broker.JetStream().UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

// TestDeletedJobIsNotEnqueuedAgain completes a batch long after one of its jobs has ended and was deleted.
func TestDeletedJobIsNotEnqueuedAgain(t *testing.T) {
	t.Parallel()
	const n = 5
	r := start(t)
	var published atomic.Int32
	r.first.SetAfter(func(at batch.Step) error {
		if at == batch.StepPublish && published.Add(1) == 2 {
			return errCrash
		}
		return nil
	})
	if _, err := r.first.Accept(t.Context(), r.submitters[0], r.request(t, "u1", "k", n)); err != nil {
		t.Fatal(err)
	}
	ids, err := r.Queue.OwnerIDs(t.Context(), "u1")
	if err != nil || len(ids) == 0 {
		t.Fatalf("in the queue: %v, %v", ids, err)
	}
	r.finishAt(t, "u1", ids[0], time.Now().Add(-2*jobs.WorkerDrain))
	if err := r.Jobs.Delete(t.Context(), []string{"u1"}, ids[0]); err != nil {
		t.Fatal(err)
	}
	if err := r.second.Sweep(t.Context()); err != nil {
		t.Error(err)
	}
	r.expect(t, "u1", n-1, n)
}
