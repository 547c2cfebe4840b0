package feed_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

func hasEnded(s *job.Snapshot) bool { return s.Record != nil }

func TestAwait(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	before := r.broker.Conn().NumSubscriptions()
	seen := make(chan string, 10)
	result := make(chan *job.Snapshot, 1)
	go func() {
		snap, err := r.feed.Await(t.Context(), []string{owner}, "j1", func(s *job.Snapshot) bool {
			seen <- s.EventID()
			return s.Progress != nil && s.Progress.Step == 2
		})
		if err != nil {
			t.Errorf("await: %v", err)
		}
		result <- snap
	}()
	if id := <-seen; id != "0.0" {
		t.Errorf("first state %q", id)
	}
	r.put(t, spec, 1, 1)
	r.put(t, spec, 1, 2)
	if snap := <-result; snap == nil || snap.EventID() != "1.2" {
		t.Errorf("%+v", snap)
	}
	// The condition holds already.
	snap, err := r.feed.Await(t.Context(), []string{owner}, "j1", func(s *job.Snapshot) bool { return s.Progress != nil })
	if err != nil || snap.EventID() != "1.2" {
		t.Errorf("%+v, %v", snap, err)
	}
	r.settle(t, spec)
	snap, err = r.feed.Await(t.Context(), []string{owner}, "j1", hasEnded)
	if err != nil || snap.Record == nil {
		t.Errorf("%+v, %v", snap, err)
	}
	// The job has finished without meeting the condition.
	snap, err = r.feed.Await(t.Context(), []string{owner}, "j1", func(*job.Snapshot) bool { return false })
	if err != nil || snap.Record == nil {
		t.Errorf("%+v, %v", snap, err)
	}
	eventually(t, "the subscription ends", func() bool { return r.broker.Conn().NumSubscriptions() == before })
}

// TestAwaitEndsEarly checks that Await returns the current state if it ends before the condition holds.
func TestAwaitEndsEarly(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	r.put(t, spec, 1, 1)
	await := func(ctx context.Context, f *feed.Feed, during func()) {
		t.Helper()
		snap, err := f.Await(ctx, []string{owner}, "j1", func(*job.Snapshot) bool { during(); return false })
		if err != nil || snap == nil || snap.EventID() != "1.1" {
			t.Errorf("%+v, %v", snap, err)
		}
	}
	t.Run("deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		await(ctx, r.feed, func() {})
	})
	t.Run("canceled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		await(ctx, r.feed, cancel)
	})
	t.Run("canceled before", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		await(ctx, r.feed, func() {})
		if _, err := r.feed.Await(ctx, []string{owner}, "j2", hasEnded); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("unknown job: %v", err)
		}
	})
	t.Run("feed stopped", func(t *testing.T) {
		f := feed.New(r.broker, r.jobs, r.queue, r.control, noRereads, discardLog())
		await(t.Context(), f, sync.OnceFunc(func() { go f.Stop() }))
		f.Stop()
		if _, err := f.Await(t.Context(), []string{owner}, "j1", hasEnded); !errors.Is(err, feed.ErrStopped) {
			t.Errorf("after the stop: %v", err)
		}
	})
}

func TestAwaitUnknownJob(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: time.Hour, Reread: 10 * time.Millisecond})
	spec := r.push(t, "j1")
	for name, tc := range map[string]struct {
		owner, id string
	}{"unknown": {owner, "j2"}, "of another owner": {"u2", "j1"}} {
		if snap, err := r.feed.Await(t.Context(), []string{tc.owner}, tc.id, hasEnded); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("%s: %+v, %v", name, snap, err)
		}
	}
	remove := sync.OnceFunc(func() { r.removeFromQueue(t, spec) })
	snap, err := r.feed.Await(t.Context(), []string{owner}, "j1", func(*job.Snapshot) bool { remove(); return false })
	if !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("removed job: %+v, %v", snap, err)
	}
}

func TestConcurrentAwait(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: 50 * time.Millisecond, Reread: time.Hour})
	spec := r.push(t, "j1")
	count := r.broker.Conn().NumSubscriptions
	before := count()
	const many = 200
	var callers, watching sync.WaitGroup
	watching.Add(many)
	for range many {
		callers.Go(func() {
			first := sync.OnceFunc(watching.Done)
			snap, err := r.feed.Await(t.Context(), []string{owner}, "j1", func(s *job.Snapshot) bool {
				first()
				return s.Record != nil
			})
			if err != nil || snap.Record == nil {
				t.Errorf("%+v, %v", snap, err)
			}
		})
	}
	watching.Wait()
	if got := count(); got != before+1 {
		t.Errorf("%d subscriptions for %d callers", got-before, many)
	}
	r.settle(t, spec)
	callers.Wait()
	eventually(t, "the subscription ends", func() bool { return r.feed.Hubs() == 0 && count() == before })
}
