package feed_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// TestRequestsDoNotGrowWithReaders counts the JetStream requests per tick with one reader of each kind and with a hundred more.
func TestRequestsDoNotGrowWithReaders(t *testing.T) {
	t.Parallel()
	const tick = 100 * time.Millisecond
	r := start(t, feed.Config{Tick: tick, Reread: tick})
	r.registerWorker(t, "w1", 1, 60)
	var last *job.Spec
	for i := range 4 {
		last = r.push(t, fmt.Sprintf("j%d", i))
	}
	r.awaitPosition(t, last, 3)
	var count atomic.Int64
	requests := make(chan struct{}, 100_000)
	_, err := r.broker.Conn().Subscribe("$JS.API.>", func(*nats.Msg) {
		count.Add(1)
		select {
		case requests <- struct{}{}:
		default:
		}
	})
	must(t, err)
	must(t, r.broker.Conn().Flush())
	// perTick returns the number of requests per tick. A busy machine ticks less often and makes fewer requests.
	perTick := func() float64 {
		for len(requests) > 0 {
			<-requests
		}
		count.Store(0)
		begin := time.Now()
		for end := time.After(20 * tick); ; {
			select {
			case <-requests:
				continue
			case <-end:
			}
			return float64(count.Load()) / (float64(time.Since(begin)) / float64(tick))
		}
	}
	discard := func(reader *feed.Reader) {
		for range reader.Events() {
			continue
		}
	}
	var readers sync.WaitGroup
	open := func(n int) {
		for range n {
			one, all := r.watch(t, last), r.watchOwner(t, time.Time{})
			readers.Go(func() { discard(one) })
			readers.Go(func() { discard(all) })
		}
	}
	open(1)
	few := perTick()
	open(100)
	many := perTick()
	t.Logf("%.1f requests per tick for one reader of each kind, %.1f for 101", few, many)
	// Four positions and the load of their lane, the reads of the owner's jobs and of the one job, and sometimes the workers and
	// the other lanes.
	if few == 0 || many > 25 {
		t.Errorf("%.1f requests per tick for 101 readers of each kind, %.1f for one", many, few)
	}
	if jobs, hubs := r.feed.Tracked(); jobs != 4 || hubs != 2 {
		t.Errorf("%d jobs tracked for %d hubs", jobs, hubs)
	}
	r.feed.Stop()
	readers.Wait()
	if jobs, hubs := r.feed.Tracked(); jobs != 0 || hubs != 0 {
		t.Errorf("%d jobs tracked for %d hubs after the stop", jobs, hubs)
	}
}

// TestConcurrentReadersShareReads opens many readers concurrently and counts their requests.
func TestConcurrentReadersShareReads(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	r.awaitPosition(t, spec, 0)
	keep := r.watch(t, spec)
	expect(t, keep, "0.0")
	expect(t, r.watchOwner(t, time.Time{}), "0.0")
	var requests atomic.Int64
	_, err := r.broker.Conn().Subscribe("$JS.API.>", func(*nats.Msg) { requests.Add(1) })
	must(t, err)
	must(t, r.broker.Conn().Flush())
	const many = 200
	var opened sync.WaitGroup
	for i := range many {
		opened.Go(func() {
			var reader *feed.Reader
			var err error
			if i%2 == 0 {
				reader, err = r.feed.Watch(t.Context(), []string{"another", owner}, "j1")
			} else {
				reader, err = r.feed.WatchOwners(t.Context(), []string{owner}, time.Time{})
			}
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			defer reader.Close()
			if e := next(t, reader); e.ID != "0.0" || e.Job.QueuePosition == nil {
				t.Errorf("%q, %+v", e.ID, e.Job)
			}
		})
	}
	opened.Wait()
	must(t, r.broker.Conn().Flush())
	t.Logf("%d requests for %d readers", requests.Load(), many)
	// Without sharing, each would make at least four.
	if requests.Load() > 2*many {
		t.Errorf("%d requests for %d readers", requests.Load(), many)
	}
}

// TestLateReaderStartsAtCurrentState opens readers of a hub that has sent events before.
func TestLateReaderStartsAtCurrentState(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	one, two := r.push(t, "j1"), r.push(t, "j2")
	first, firstAll := r.watch(t, one), r.watchOwner(t, time.Time{})
	expect(t, first, "0.0")
	expectUnordered(t, firstAll, "j1 0.0", "j2 0.0")
	r.put(t, one, 1, 1)
	expect(t, first, "1.1")
	expectStates(t, firstAll, "j1 1.1")
	expect(t, r.watch(t, one), "1.1")
	late := r.watchOwner(t, time.Time{})
	expectUnordered(t, late, "j1 1.1", "j2 0.0")
	// A state that a new reader finds is sent to the other readers too, although its event was lost.
	r.disableEvents(t)
	r.put(t, two, 1, 1)
	expectUnordered(t, r.watchOwner(t, time.Time{}), "j1 1.1", "j2 1.1")
	expectStates(t, firstAll, "j2 1.1")
	expectStates(t, late, "j2 1.1")
	r.settle(t, one)
	again := r.watch(t, one)
	expect(t, again, "end")
	expectEnd(t, again, nil)
	expectUnordered(t, r.watchOwner(t, time.Time{}), "j2 1.1")
}

// TestResumeDoesNotAffectOtherReaders resumes a reader from before the others opened. They must not receive its ended jobs.
func TestResumeDoesNotAffectOtherReaders(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	since := time.Now().Add(-time.Second)
	for i := range 3 {
		r.settle(t, r.push(t, fmt.Sprintf("j%d", i)))
	}
	first := r.watchOwner(t, time.Time{})
	expectUnordered(t, r.watchOwner(t, since), "j0 end", "j1 end", "j2 end")
	r.push(t, "j9")
	expectStates(t, first, "j9 0.0")
}

// TestWatchWithSeveralOwners watches a job as a caller with several owners.
func TestWatchWithSeveralOwners(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	for range 2 {
		reader, err := r.feed.Watch(t.Context(), []string{"u0", owner, "u2"}, spec.ID)
		must(t, err)
		t.Cleanup(reader.Close)
		expect(t, reader, "0.0")
		// A watched job is still hidden from other owners.
		if _, err := r.feed.Watch(t.Context(), []string{"u0", "u2"}, spec.ID); err == nil {
			t.Error("another owner can watch the job")
		}
	}
}

// TestViewReturnsWhenContextEnds pauses NATS: a caller whose context has ended must not wait for an estimate.
func TestViewReturnsWhenContextEnds(t *testing.T) {
	t.Parallel()
	far, near, proxy := startRemote(t, noRereads)
	spec := near.push(t, "j1")
	near.putProgress(t, spec, &job.Progress{Status: job.StatusRunning, Delivery: 1, Step: 1, StartedAt: job.AtPtr(time.Now())})
	snap, err := near.jobs.Read(t.Context(), []string{owner}, "j1")
	must(t, err)
	proxy.pause()
	defer proxy.resume()
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			// The caller gets the job without new data.
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("canceled"))
			if j := far.feed.View(ctx, snap); j.ID != "j1" {
				t.Errorf("%+v", j)
			}
		})
	}
	done := make(chan struct{})
	go func() { callers.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(hang):
		t.Error("canceled callers wait for NATS")
	}
}

func TestDerivedPositions(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := feed.NewPositionList(10, 20, 30, 40)
	l.Fill([]uint64{10, 20, 30, 40}, map[uint64]int{10: 0, 20: 4, 30: 5, 40: 9}, now)
	for i, step := range []struct {
		queried []uint64
		found   map[uint64]int
		want    []int
	}{
		{[]uint64{10, 20}, map[uint64]int{10: 0, 20: 2}, []int{0, 2, 3, 7}},
		// A later job cannot be before an earlier one.
		{[]uint64{20}, map[uint64]int{20: 0}, []int{0, 0, 1, 5}},
		// A job that has left the queue keeps its old position and does not limit the others.
		{[]uint64{10, 20, 30}, map[uint64]int{30: 0}, []int{0, 0, 0, 4}},
		{[]uint64{30}, map[uint64]int{}, []int{0, 0, 0, 4}},
		{[]uint64{40}, map[uint64]int{40: 2}, []int{0, 0, 0, 2}},
	} {
		if l.Fill(step.queried, step.found, now); !slices.Equal(l.Ahead(), step.want) {
			t.Errorf("step %d: %v, want %v", i, l.Ahead(), step.want)
		}
	}
	fresh := feed.NewPositionList(1, 2, 3)
	fresh.Fill([]uint64{1}, map[uint64]int{1: 7}, now)
	if want := []int{7, -1, -1}; !slices.Equal(fresh.Ahead(), want) {
		t.Errorf("%v, want %v", fresh.Ahead(), want)
	}
}

// TestEveryPositionIsQueried has more jobs than are queried per tick. Once every position is known, the number of queries per tick
// does not depend on the number of jobs.
func TestEveryPositionIsQueried(t *testing.T) {
	t.Parallel()
	const many = 3 * feed.UnknownPlaces
	var sequences []uint64
	for i := range many {
		sequences = append(sequences, uint64(i+1))
	}
	l := feed.NewPositionList(sequences...)
	queried, now := map[uint64]int{}, time.Now()
	tick := func() []uint64 {
		now = now.Add(time.Second)
		due := l.Due()
		if !slices.Equal(due[:feed.FrontPlaces], sequences[:feed.FrontPlaces]) {
			t.Fatalf("%d due: %v", len(due), due)
		}
		found := map[uint64]int{}
		for _, sequence := range due {
			queried[sequence]++
			found[sequence] = int(sequence) - 1
		}
		l.Fill(due, found, now)
		return due
	}
	for len(queried) < many {
		if got := len(tick()); got > feed.FrontPlaces+feed.UnknownPlaces+feed.TurnPlaces {
			t.Fatalf("%d due", got)
		}
	}
	clear(queried)
	for range many - feed.FrontPlaces {
		if due := tick(); len(due) != feed.FrontPlaces+feed.TurnPlaces {
			t.Fatalf("%d due: %v", len(due), due)
		}
	}
	for _, sequence := range sequences {
		if queried[sequence] == 0 {
			t.Errorf("%d is never queried", sequence)
		}
	}
	// A job that has left the queue is no longer the front.
	l.Fill(l.Due(), map[uint64]int{}, now)
	if due := l.Due(); due[0] != sequences[1] {
		t.Errorf("due %v", due)
	}
	if got := feed.NewPositionList(1, 2, 3).Due(); len(got) != 3 {
		t.Errorf("three jobs: %v", got)
	}
}
