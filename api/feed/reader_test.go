package feed_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
)

// TestSlowReaderGetsNewestState has a reader of each kind that does not receive, while other readers of the same job continue. It
// holds a few states of the job, and receives the newest one and the end.
func TestSlowReaderGetsNewestState(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	slow, slowAll := r.watch(t, spec), r.watchOwner(t, time.Time{})
	fast, fastAll := r.watch(t, spec), r.watchOwner(t, time.Time{})
	expect(t, fast, "0.0")
	expectStates(t, fastAll, "j1 0.0")
	const steps = 300
	for step := uint64(1); step <= steps; step++ {
		r.put(t, spec, 1, step)
		expect(t, fast, fmt.Sprintf("1.%d", step))
		expectStates(t, fastAll, fmt.Sprintf("j1 1.%d", step))
	}
	for name, reader := range map[string]*feed.Reader{"one": slow, "all": slowAll} {
		if got := reader.Queued(); got != feed.KeptEvents {
			t.Errorf("%s: a slow reader holds %d events, want %d", name, got, feed.KeptEvents)
		}
		expect(t, reader, "0.0")
		for step := 1; step < feed.KeptEvents-1; step++ {
			expect(t, reader, fmt.Sprintf("1.%d", step))
		}
		expect(t, reader, fmt.Sprintf("1.%d", steps))
	}
	r.settle(t, spec)
	for _, reader := range []*feed.Reader{slow, fast} {
		expect(t, reader, "end")
		expectEnd(t, reader, nil)
	}
	for _, reader := range []*feed.Reader{slowAll, fastAll} {
		expectStates(t, reader, "j1 end")
	}
}

// TestSlowReaderMissesNoEnd ends jobs while a reader of all jobs does not receive.
func TestSlowReaderMissesNoEnd(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	const many = 20
	slow, fast := r.watchOwner(t, time.Time{}), r.watchOwner(t, time.Time{})
	for i := range many {
		spec := r.push(t, fmt.Sprintf("j%d", i))
		expectStates(t, fast, spec.ID+" 0.0")
		r.put(t, spec, 1, 1)
		r.put(t, spec, 1, 2)
		r.settle(t, spec)
		expectStates(t, fast, spec.ID+" 1.1", spec.ID+" 1.2", spec.ID+" end")
	}
	if got := slow.Queued(); got > many+feed.KeptEvents {
		t.Errorf("a slow reader holds %d events of %d jobs", got, many)
	}
	ended := map[string]bool{}
	for len(ended) < many {
		e := next(t, slow)
		if ended[e.Job.ID] {
			t.Errorf("%s: %q after the end", e.Job.ID, e.ID)
		}
		if e.ID == job.EventIDEnd {
			ended[e.Job.ID] = true
		}
	}
}

// TestTooSlowReaderIsDropped has a reader of all jobs that does not receive while more jobs are submitted than it may hold.
func TestTooSlowReaderIsDropped(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	before := r.broker.Conn().NumSubscriptions()
	slow, fast := r.watchOwner(t, time.Time{}), r.watchOwner(t, time.Time{})
	for i := range feed.LateEvents + 1 {
		spec := r.push(t, fmt.Sprintf("j%d", i))
		if got := slow.Queued(); got > feed.LateEvents {
			t.Fatalf("a slow reader holds %d events", got)
		}
		expectStates(t, fast, spec.ID+" 0.0")
	}
	expectEnd(t, slow, feed.ErrSlow)
	fast.Close()
	expectEnd(t, fast, context.Canceled)
	if got := r.broker.Conn().NumSubscriptions(); got != before {
		t.Errorf("%d subscriptions, %d before", got, before)
	}
	// The next reader starts at the current state.
	reader := r.watchOwner(t, time.Time{})
	for range feed.LateEvents + 1 {
		if e := next(t, reader); e.ID != "0.0" {
			t.Errorf("%s: %q", e.Job.ID, e.ID)
		}
	}
}

func TestStopEndsReaders(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: time.Millisecond, Reread: time.Millisecond})
	count := r.broker.Conn().NumSubscriptions
	spec := r.push(t, "j1")
	r.push(t, "j2")
	before := count()
	var readers []*feed.Reader
	for range 5 {
		readers = append(readers, r.watch(t, spec), r.watchOwner(t, time.Time{}))
	}
	r.feed.Stop()
	for _, reader := range readers {
		drain(t, reader)
		expectEnd(t, reader, feed.ErrStopped)
	}
	r.feed.Stop()
	if got := count(); got != before {
		t.Errorf("%d subscriptions, %d before", got, before)
	}
	if _, err := r.feed.Watch(t.Context(), []string{owner}, "j1"); !errors.Is(err, feed.ErrStopped) {
		t.Errorf("watch after the stop: %v", err)
	}
	if _, err := r.feed.WatchOwners(t.Context(), []string{owner}, time.Time{}); !errors.Is(err, feed.ErrStopped) {
		t.Errorf("watch all after the stop: %v", err)
	}
	r.settle(t, spec)
	if _, err := r.feed.Watch(t.Context(), []string{owner}, "j1"); !errors.Is(err, feed.ErrStopped) {
		t.Errorf("watch a finished job after the stop: %v", err)
	}
}

// TestStopWhileReadersOpen opens readers while the feed stops. Each fails to open or ends, and none outlives the stop.
func TestStopWhileReadersOpen(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	done := r.push(t, "j2")
	r.settle(t, done)
	for range 20 {
		f := feed.New(r.broker, r.jobs, r.queue, r.control, noRereads, discardLog())
		var callers sync.WaitGroup
		open := make(chan *feed.Reader, 60)
		for range 20 {
			for _, watch := range []func() (*feed.Reader, error){
				func() (*feed.Reader, error) { return f.Watch(t.Context(), []string{owner}, spec.ID) },
				func() (*feed.Reader, error) { return f.Watch(t.Context(), []string{owner}, done.ID) },
				func() (*feed.Reader, error) { return f.WatchOwners(t.Context(), []string{owner}, time.Time{}) },
			} {
				callers.Go(func() {
					switch reader, err := watch(); {
					case err == nil:
						open <- reader
					case !errors.Is(err, feed.ErrStopped):
						t.Errorf("open: %v", err)
					}
				})
			}
		}
		f.Stop()
		if got := f.Hubs(); got != 0 {
			t.Errorf("%d hubs after the stop", got)
		}
		callers.Wait()
		close(open)
		for reader := range open {
			drain(t, reader)
			if err := reader.Err(); err != nil && !errors.Is(err, feed.ErrStopped) {
				t.Errorf("ended with %v", err)
			}
		}
	}
}

// TestReadersOpenAndClose opens and closes readers of few jobs concurrently, so that hubs end while others join.
func TestReadersOpenAndClose(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: time.Millisecond, Reread: time.Millisecond})
	before := r.broker.Conn().NumSubscriptions()
	for i := range 3 {
		r.push(t, fmt.Sprintf("j%d", i))
	}
	before = max(before, r.broker.Conn().NumSubscriptions())
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for round := range 30 {
				ctx, cancel := context.WithCancel(t.Context())
				reader, err := r.feed.Watch(ctx, []string{owner}, fmt.Sprintf("j%d", round%4))
				switch {
				case round%4 == 3:
					if !errors.Is(err, jobs.ErrNotFound) {
						t.Errorf("watch an unknown job: %v", err)
					}
				case err != nil:
					t.Errorf("watch: %v", err)
				default:
					if e := <-reader.Events(); e.ID != "0.0" {
						t.Errorf("first %q", e.ID)
					}
					if i%2 == 0 {
						reader.Close()
						drain(t, reader)
					}
				}
				cancel()
			}
		})
	}
	callers.Wait()
	eventually(t, "no hub is left", func() bool { return r.feed.Hubs() == 0 })
	// A read in progress has a subscription of its own.
	eventually(t, "no subscription is left", func() bool { return r.broker.Conn().NumSubscriptions() <= before })
}
