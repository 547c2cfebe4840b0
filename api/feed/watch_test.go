package feed_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

func TestWatchSendsStatesInOrder(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	reader := r.watch(t, spec)
	if e := next(t, reader); e.ID != "0.0" || e.Job.Status != job.StatusQueued || e.Job.QueuePosition == nil {
		t.Errorf("first %q, %+v", e.ID, e.Job)
	}
	stages := []job.Progress{
		{Status: job.StatusRunning, Stage: job.StageOptimizing, Delivery: 1, Step: 1, Attempt: 1},
		{Status: job.StatusRunning, Stage: job.StageGenerating, Delivery: 1, Step: 2, Attempt: 1},
		{Status: job.StatusRetrying, Delivery: 1, Step: 3, Attempt: 1, LastError: job.NewError(job.CodeThrottled, 429)},
		{Status: job.StatusRunning, Stage: job.StageStoring, Delivery: 2, Step: 1, Attempt: 2},
	}
	for i := range stages {
		r.putProgress(t, spec, &stages[i])
	}
	for _, p := range stages {
		e := next(t, reader)
		if e.ID != p.EventID() || e.Job.Status != p.Status || e.Job.Stage != p.Stage || e.Job.Attempt != p.Attempt {
			t.Errorf("%q shows %+v, want %+v", e.ID, e.Job, p)
		}
		if e.Job.QueuePosition != nil {
			t.Errorf("%q has a queue position", e.ID)
		}
	}
	r.settle(t, spec)
	if e := next(t, reader); e.ID != job.EventIDEnd || e.Job.Status != job.StatusSucceeded || e.Job.Result.Text != "done" {
		t.Errorf("last %q, %+v", e.ID, e.Job)
	}
	expectEnd(t, reader, nil)
	reader.Close()
	expectEnd(t, reader, nil)
}

func TestWatchStartsAtCurrentState(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	r.put(t, spec, 3, 7)
	before := r.broker.Conn().NumSubscriptions()
	expect(t, r.watch(t, spec), "3.7")
	r.settle(t, spec)
	reader := r.watch(t, spec)
	expect(t, reader, "end")
	expectEnd(t, reader, nil)
	eventually(t, "the subscription ends", func() bool { return r.broker.Conn().NumSubscriptions() == before })
}

func TestWatchUnknownJob(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	r.push(t, "j1", func(s *job.Spec) { s.Owner = "u2" })
	before := r.broker.Conn().NumSubscriptions()
	for name, tc := range map[string]struct {
		owners []string
		id     string
	}{
		"unknown":          {[]string{owner}, "j2"},
		"of another owner": {[]string{owner, "u3"}, "j1"},
		"no owner":         {nil, "j1"},
		"a wildcard":       {[]string{"u2"}, "*"},
		"a longer subject": {[]string{"u2"}, "j1.>"},
		"empty":            {[]string{"u2"}, ""},
	} {
		if reader, err := r.feed.Watch(t.Context(), tc.owners, tc.id); !errors.Is(err, jobs.ErrNotFound) || reader != nil {
			t.Errorf("%s: %v, %v", name, reader, err)
		}
	}
	if after := r.broker.Conn().NumSubscriptions(); after > before+1 { // One for the responses to requests.
		t.Errorf("%d subscriptions, %d before", after, before)
	}
	reader, err := r.feed.Watch(t.Context(), []string{owner, "u2"}, "j1")
	must(t, err)
	defer reader.Close()
	expect(t, reader, "0.0")
}

// TestWatchSkipsStaleStates writes states that are stored and published, and that no reader may receive.
func TestWatchSkipsStaleStates(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	reader := r.watch(t, spec)
	expect(t, reader, "0.0")
	r.put(t, spec, 2, 3)
	r.put(t, spec, 2, 3)
	r.put(t, spec, 2, 2)
	r.put(t, spec, 2, 4)
	expect(t, reader, "2.3", "2.4")
	// The delivery count may fall when NATS crashes.
	r.put(t, spec, 1, 9)
	expect(t, reader, "1.9")
	r.put(t, spec, 1, 8)
	r.put(t, spec, 1, 10)
	r.put(t, spec, 2, 1)
	expect(t, reader, "1.10", "2.1")
	// The deletion of the progress and undecodable data are no states.
	must(t, r.store.DeleteProgress(t.Context(), owner, "j1"))
	for _, event := range []string{broker.EventQueued, broker.EventProgress, broker.EventResult, "other"} {
		for _, data := range []string{"", "{", `{"v":1}`, `{"v":9}`, "null"} {
			r.publish(t, "events."+event+"."+owner+".j1", []byte(data))
		}
	}
	r.publish(t, "events.queued."+owner+".j1", encoded(t, spec))
	r.put(t, spec, 2, 2)
	expect(t, reader, "2.2")
	r.settle(t, spec)
	r.put(t, spec, 3, 1)
	expect(t, reader, "end")
	expectEnd(t, reader, nil)
}

// TestWatchIgnoresOlderDelivery publishes an event of an older delivery than the stored one, as happens if the event was sent
// between the subscription and the first read.
func TestWatchIgnoresOlderDelivery(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	r.put(t, spec, 2, 1)
	one, all := r.watch(t, spec), r.watchOwner(t, time.Time{})
	expect(t, one, "2.1")
	expectStates(t, all, "j1 2.1")
	r.publish(t, "events.progress."+owner+".j1",
		encoded(t, &job.Progress{ID: "j1", Status: job.StatusRunning, Delivery: 1, Step: 9, Attempt: 1}))
	r.put(t, spec, 2, 2)
	expect(t, one, "2.2")
	expectStates(t, all, "j1 2.2")
}

// TestWatchMissesNoChange changes and ends jobs while readers open.
func TestWatchMissesNoChange(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	for i := range rounds {
		spec := r.push(t, fmt.Sprintf("j%d", i))
		var writers sync.WaitGroup
		writers.Go(func() {
			var revision uint64
			for delivery := range uint64(3) {
				var err error
				revision, err = r.store.PutProgress(t.Context(), owner, &job.Progress{
					ID: spec.ID, Status: job.StatusRunning, Delivery: delivery + 1, Step: 1, Attempt: 1,
				}, revision)
				if err != nil {
					t.Errorf("put: %v", err)
				}
			}
			if err := r.end(t.Context(), spec, time.Now()); err != nil {
				t.Errorf("settle: %v", err)
			}
		})
		reader := r.watch(t, spec)
		var last uint64
		for e := next(t, reader); e.ID != job.EventIDEnd; e = next(t, reader) {
			if p := e.Snapshot.Progress; p != nil {
				if p.Delivery <= last {
					t.Errorf("%s: delivery %d after %d", spec.ID, p.Delivery, last)
				}
				last = p.Delivery
			}
		}
		expectEnd(t, reader, nil)
		writers.Wait()
	}
}

// TestReadersShareSubscription counts the subscriptions of the process.
func TestReadersShareSubscription(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec, other := r.push(t, "j1"), r.push(t, "j2")
	count := r.broker.Conn().NumSubscriptions
	before := count()
	var readers []*feed.Reader
	for range 10 {
		readers = append(readers, r.watch(t, spec))
	}
	if got := count(); got != before+1 {
		t.Errorf("%d subscriptions for one job", got-before)
	}
	second := r.watch(t, other)
	all := r.watchOwner(t, time.Time{})
	if got := count(); got != before+1 {
		t.Errorf("%d subscriptions for two jobs and their owner", got-before)
	}
	all.Close()
	expect(t, second, "0.0")
	second.Close()
	expectEnd(t, second, context.Canceled)
	for i, reader := range readers {
		if got := count(); got != before+1 {
			t.Errorf("%d subscriptions before reader %d of 10 closes", got-before, i)
		}
		expect(t, reader, "0.0")
		reader.Close()
		expectEnd(t, reader, context.Canceled)
	}
	if got := count(); got != before {
		t.Errorf("%d subscriptions without readers", got-before)
	}
	// The next reader subscribes again.
	again := r.watch(t, spec)
	r.settle(t, spec)
	expect(t, again, "0.0", "end")
	expectEnd(t, again, nil)
	if got := count(); got != before {
		t.Errorf("%d subscriptions after the end", got-before)
	}
}

func TestWatchFindsLostEvents(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: time.Hour, Reread: 20 * time.Millisecond})
	spec := r.push(t, "j1")
	r.disableEvents(t)
	one, all := r.watch(t, spec), r.watchOwner(t, time.Time{})
	expect(t, one, "0.0")
	expectStates(t, all, "j1 0.0")
	r.put(t, spec, 1, 1)
	expect(t, one, "1.1")
	expectStates(t, all, "j1 1.1")
	r.push(t, "j2")
	expectStates(t, all, "j2 0.0")
	r.settle(t, spec)
	expect(t, one, "end")
	expectStates(t, all, "j1 end")
	expectEnd(t, one, nil)
}

// TestWatchEndsOverdueJob checks that a job without a worker ends for its readers at its deadline.
func TestWatchEndsOverdueJob(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: time.Hour, Reread: 20 * time.Millisecond})
	spec := r.push(t, "j1", func(s *job.Spec) { s.Deadline = job.At(time.Now().Add(200 * time.Millisecond)) })
	r.disableEvents(t)
	reader := r.watch(t, spec)
	if e := next(t, reader); e.ID != "0.0" && e.ID != job.EventIDEnd {
		t.Errorf("first %q", e.ID)
	} else if e.ID == job.EventIDEnd {
		t.Skip("the deadline passed before the first read")
	}
	if e := next(t, reader); e.ID != job.EventIDEnd || e.Job.Error.Code != job.CodeDeadline {
		t.Errorf("last %q, %+v", e.ID, e.Job)
	}
	expectEnd(t, reader, nil)
}

func TestWatchRemovedJob(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: time.Hour, Reread: 20 * time.Millisecond})
	spec := r.push(t, "j1")
	reader := r.watch(t, spec)
	expect(t, reader, "0.0")
	r.removeFromQueue(t, spec)
	expectEnd(t, reader, jobs.ErrNotFound)
}

func TestReaderEndsWithContext(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	before := r.broker.Conn().NumSubscriptions()
	cause := errors.New("cause")
	ctx, cancel := context.WithCancelCause(t.Context())
	one, err := r.feed.Watch(ctx, []string{owner}, "j1")
	must(t, err)
	all, err := r.feed.WatchOwners(ctx, []string{owner}, time.Time{})
	must(t, err)
	expect(t, one, "0.0")
	expect(t, all, "0.0")
	cancel(cause)
	expectEnd(t, one, cause)
	expectEnd(t, all, cause)
	if got := r.broker.Conn().NumSubscriptions(); got != before {
		t.Errorf("%d subscriptions, %d before", got, before)
	}
	if _, err := r.feed.Watch(ctx, []string{owner}, spec.ID); err == nil {
		t.Error("a canceled caller can watch")
	}
	if _, err := r.feed.WatchOwners(ctx, []string{owner}, time.Time{}); err == nil {
		t.Error("a canceled caller can watch all")
	}
	if got := r.broker.Conn().NumSubscriptions(); got != before {
		t.Errorf("%d subscriptions, %d before", got, before)
	}
}

// TestWatchRereadsAtDeadline checks that the feed itself rereads a job at its deadline.
func TestWatchRereadsAtDeadline(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1", func(s *job.Spec) { s.Deadline = job.At(time.Now().Add(300 * time.Millisecond)) })
	reader := r.watch(t, spec)
	expect(t, reader, "0.0")
	e := next(t, reader)
	if e.ID != job.EventIDEnd || e.Job.Error == nil || e.Job.Error.Code != job.CodeDeadline || e.Job.FinishedAt.Before(spec.Deadline.Time) {
		t.Errorf("%+v", e.Job)
	}
	expectEnd(t, reader, nil)
}

// TestOverflowIsReread sends more events of unknown jobs than a hub holds while it reads them. The end of a known job, whose event does
// not fit, is made up for at once, although no periodic reread is due.
func TestOverflowIsReread(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	r.feed.SetMaxInbox(4)
	spec := r.push(t, "j1")
	reader := r.watchOwner(t, time.Time{})
	expectStates(t, reader, "j1 0.0")
	r.disableEvents(t)
	r.settle(t, spec)
	record, err := r.store.Record(t.Context(), owner, spec.ID)
	must(t, err)
	for i := range 40 {
		id := fmt.Sprintf("ghost-%d", i)
		data := encoded(t, &job.Progress{ID: id, Status: job.StatusRunning, Delivery: 1, Step: 1, Attempt: 1})
		must(t, r.broker.Conn().Publish("events.progress."+owner+"."+id, data))
	}
	r.publish(t, "events."+broker.EventResult+"."+owner+"."+spec.ID, encoded(t, record))
	expectStates(t, reader, "j1 end")
}

// TestRereadInterval checks that many watched jobs are reread less often, so that the requests do not grow with them.
func TestRereadInterval(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]time.Duration{0: 5 * time.Second, 1000: 5 * time.Second, 10_000: 50 * time.Second} {
		if got := feed.RereadInterval(5*time.Second, n); got != want {
			t.Errorf("%d jobs are reread every %v, want %v", n, got, want)
		}
	}
}
