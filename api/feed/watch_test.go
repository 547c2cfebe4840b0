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

func TestWatchShowsALifeInOrder(t *testing.T) {
	t.Parallel()
	r := start(t, still)
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
		r.putAs(t, spec, &stages[i])
	}
	for _, p := range stages {
		e := next(t, reader)
		if e.ID != p.EventID() || e.Job.Status != p.Status || e.Job.Stage != p.Stage || e.Job.Attempt != p.Attempt {
			t.Errorf("%q shows %+v, want %+v", e.ID, e.Job, p)
		}
		if e.Job.QueuePosition != nil {
			t.Errorf("%q has a place in the queue", e.ID)
		}
	}
	r.settle(t, spec)
	if e := next(t, reader); e.ID != job.EventIDEnd || e.Job.Status != job.StatusSucceeded || e.Job.Result.Text != "done" {
		t.Errorf("last %q, %+v", e.ID, e.Job)
	}
	ended(t, reader, nil)
	reader.Close()
	ended(t, reader, nil)
}

func TestWatchBeginsWhereTheJobIs(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	spec := r.push(t, "j1")
	r.put(t, spec, 3, 7)
	before := r.broker.Conn().NumSubscriptions()
	expect(t, r.watch(t, spec), "3.7")
	r.settle(t, spec)
	reader := r.watch(t, spec)
	expect(t, reader, "end")
	ended(t, reader, nil)
	eventually(t, "the end costs no subscription", func() bool { return r.broker.Conn().NumSubscriptions() == before })
}

func TestWatchWhatIsNotThere(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	r.push(t, "j1", func(s *job.Spec) { s.Owner = "u2" })
	before := r.broker.Conn().NumSubscriptions()
	for name, tc := range map[string]struct {
		owners []string
		id     string
	}{
		"unknown":          {[]string{owner}, "j2"},
		"somebody else's":  {[]string{owner, "u3"}, "j1"},
		"nobody's":         {nil, "j1"},
		"a wildcard":       {[]string{"u2"}, "*"},
		"a longer subject": {[]string{"u2"}, "j1.>"},
		"empty":            {[]string{"u2"}, ""},
	} {
		if reader, err := r.feed.Watch(t.Context(), tc.owners, tc.id); !errors.Is(err, jobs.ErrNotFound) || reader != nil {
			t.Errorf("%s: %v, %v", name, reader, err)
		}
	}
	if after := r.broker.Conn().NumSubscriptions(); after > before+1 { // One for the answers of all requests.
		t.Errorf("%d subscriptions, %d before", after, before)
	}
	reader, err := r.feed.Watch(t.Context(), []string{owner, "u2"}, "j1")
	must(t, err)
	defer reader.Close()
	expect(t, reader, "0.0")
}

// TestWatchDropsWhatIsNoNews writes states that are stored and told, and that no reader may see.
func TestWatchDropsWhatIsNoNews(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	spec := r.push(t, "j1")
	reader := r.watch(t, spec)
	expect(t, reader, "0.0")
	r.put(t, spec, 2, 3)
	r.put(t, spec, 2, 3)
	r.put(t, spec, 2, 2)
	r.put(t, spec, 2, 4)
	expect(t, reader, "2.3", "2.4")
	// The broker may forget some of its count when it crashes.
	r.put(t, spec, 1, 9)
	expect(t, reader, "1.9")
	r.put(t, spec, 1, 8)
	r.put(t, spec, 1, 10)
	r.put(t, spec, 2, 1)
	expect(t, reader, "1.10", "2.1")
	// The purge of a progress is no state, and neither is what cannot be read.
	must(t, r.store.DeleteProgress(t.Context(), owner, "j1"))
	for _, event := range []string{broker.EventQueued, broker.EventProgress, broker.EventResult, "other"} {
		for _, data := range []string{"", "{", `{"v":1}`, `{"v":9}`, "null"} {
			r.forge(t, "events."+event+"."+owner+".j1", []byte(data))
		}
	}
	r.forge(t, "events.queued."+owner+".j1", encoded(t, spec))
	r.put(t, spec, 2, 2)
	expect(t, reader, "2.2")
	r.settle(t, spec)
	r.put(t, spec, 3, 1)
	expect(t, reader, "end")
	ended(t, reader, nil)
}

// TestWatchIsNotSetBack tells readers of an older delivery than the stored one, as happens when it was told between the
// subscription and the first reading.
func TestWatchIsNotSetBack(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	spec := r.push(t, "j1")
	r.put(t, spec, 2, 1)
	one, all := r.watch(t, spec), r.watchOwner(t, time.Time{})
	expect(t, one, "2.1")
	expectOf(t, all, "j1 2.1")
	r.forge(t, "events.progress."+owner+".j1",
		encoded(t, &job.Progress{ID: "j1", Status: job.StatusRunning, Delivery: 1, Step: 9, Attempt: 1}))
	r.put(t, spec, 2, 2)
	expect(t, one, "2.2")
	expectOf(t, all, "j1 2.2")
}

// TestWatchMissesNoChange lets jobs change and end while they are being subscribed to and read.
func TestWatchMissesNoChange(t *testing.T) {
	t.Parallel()
	r := start(t, still)
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
		ended(t, reader, nil)
		writers.Wait()
	}
}

// TestReadersShareASubscription counts what the process asks of NATS.
func TestReadersShareASubscription(t *testing.T) {
	t.Parallel()
	r := start(t, still)
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
	if got := count(); got != before+2 {
		t.Errorf("%d subscriptions for two jobs", got-before)
	}
	expect(t, second, "0.0")
	second.Close()
	ended(t, second, context.Canceled)
	for i, reader := range readers {
		if got := count(); got != before+1 {
			t.Errorf("%d subscriptions before reader %d of 10 leaves", got-before, i)
		}
		expect(t, reader, "0.0")
		reader.Close()
		ended(t, reader, context.Canceled)
	}
	if got := count(); got != before {
		t.Errorf("%d subscriptions for nobody", got-before)
	}
	// The next one begins anew.
	again := r.watch(t, spec)
	r.settle(t, spec)
	expect(t, again, "0.0", "end")
	ended(t, again, nil)
	if got := count(); got != before {
		t.Errorf("%d subscriptions after the end", got-before)
	}
}

func TestWatchFindsWhatWasNotTold(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: time.Hour, Reread: 20 * time.Millisecond})
	spec := r.push(t, "j1")
	r.mute(t)
	one, all := r.watch(t, spec), r.watchOwner(t, time.Time{})
	expect(t, one, "0.0")
	expectOf(t, all, "j1 0.0")
	r.put(t, spec, 1, 1)
	expect(t, one, "1.1")
	expectOf(t, all, "j1 1.1")
	r.push(t, "j2")
	expectOf(t, all, "j2 0.0")
	r.settle(t, spec)
	expect(t, one, "end")
	expectOf(t, all, "j1 end")
	ended(t, one, nil)
}

// TestWatchEndsAnOverdueJob shows that a job without a worker ends for its watchers at its deadline.
func TestWatchEndsAnOverdueJob(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: time.Hour, Reread: 20 * time.Millisecond})
	spec := r.push(t, "j1", func(s *job.Spec) { s.Deadline = job.At(time.Now().Add(200 * time.Millisecond)) })
	r.mute(t)
	reader := r.watch(t, spec)
	if e := next(t, reader); e.ID != "0.0" && e.ID != job.EventIDEnd {
		t.Errorf("first %q", e.ID)
	} else if e.ID == job.EventIDEnd {
		t.Skip("the deadline passed before the first reading")
	}
	if e := next(t, reader); e.ID != job.EventIDEnd || e.Job.Error.Code != job.CodeDeadline {
		t.Errorf("last %q, %+v", e.ID, e.Job)
	}
	ended(t, reader, nil)
}

func TestWatchOfAJobThatVanishes(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: time.Hour, Reread: 20 * time.Millisecond})
	spec := r.push(t, "j1")
	reader := r.watch(t, spec)
	expect(t, reader, "0.0")
	r.leave(t, spec)
	ended(t, reader, jobs.ErrNotFound)
}

func TestReaderEndsWithItsContext(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	spec := r.push(t, "j1")
	before := r.broker.Conn().NumSubscriptions()
	why := errors.New("why")
	ctx, cancel := context.WithCancelCause(t.Context())
	one, err := r.feed.Watch(ctx, []string{owner}, "j1")
	must(t, err)
	all, err := r.feed.WatchOwner(ctx, owner, time.Time{})
	must(t, err)
	expect(t, one, "0.0")
	expect(t, all, "0.0")
	cancel(why)
	ended(t, one, why)
	ended(t, all, why)
	if got := r.broker.Conn().NumSubscriptions(); got != before {
		t.Errorf("%d subscriptions, %d before", got, before)
	}
	if _, err := r.feed.Watch(ctx, []string{owner}, spec.ID); err == nil {
		t.Error("a caller that is gone may watch")
	}
	if _, err := r.feed.WatchOwner(ctx, owner, time.Time{}); err == nil {
		t.Error("a caller that is gone may watch all")
	}
	if got := r.broker.Conn().NumSubscriptions(); got != before {
		t.Errorf("%d subscriptions, %d before", got, before)
	}
}

// TestWatchSeesTheDeadline has nobody but the reader look at a job whose time is up.
func TestWatchSeesTheDeadline(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	spec := r.push(t, "j1", func(s *job.Spec) { s.Deadline = job.At(time.Now().Add(300 * time.Millisecond)) })
	reader := r.watch(t, spec)
	expect(t, reader, "0.0")
	e := next(t, reader)
	if e.ID != job.EventIDEnd || e.Job.Error == nil || e.Job.Error.Code != job.CodeDeadline || e.Job.FinishedAt.Before(spec.Deadline.Time) {
		t.Errorf("%+v", e.Job)
	}
	ended(t, reader, nil)
}
