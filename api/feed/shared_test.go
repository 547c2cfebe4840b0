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

// TestManyReadersAskAsLittleAsOne counts what the process asks of JetStream from tick to tick, with one reader of each
// sort and with a hundred more.
func TestManyReadersAskAsLittleAsOne(t *testing.T) {
	t.Parallel()
	const tick = 100 * time.Millisecond
	r := start(t, feed.Config{Tick: tick, Reread: tick})
	r.announce(t, "w1", 1, 60)
	var last *job.Spec
	for i := range 4 {
		last = r.push(t, fmt.Sprintf("j%d", i))
	}
	r.counted(t, last, 3)
	var asked atomic.Int64
	requests := make(chan struct{}, 100_000)
	_, err := r.broker.Conn().Subscribe("$JS.API.>", func(*nats.Msg) {
		asked.Add(1)
		select {
		case requests <- struct{}{}:
		default:
		}
	})
	must(t, err)
	must(t, r.broker.Conn().Flush())
	// perTick returns the requests for each tick that has passed. A busy machine ticks less often, and then it is less.
	perTick := func() float64 {
		for len(requests) > 0 {
			<-requests
		}
		asked.Store(0)
		begin := time.Now()
		for end := time.After(20 * tick); ; {
			select {
			case <-requests:
				continue
			case <-end:
			}
			return float64(asked.Load()) / (float64(time.Since(begin)) / float64(tick))
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
	t.Logf("%.1f requests a tick for one reader of each sort, %.1f for 101", few, many)
	// Four places and the load of their lane, the reading of the owner's jobs and of the one job, and now and then the
	// workers and the other lanes.
	if few == 0 || many > 25 {
		t.Errorf("%.1f requests a tick for 101 readers of each sort, %.1f for one", many, few)
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

// TestReadersOpenTogether opens many at once: they share the reads of their jobs.
func TestReadersOpenTogether(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	spec := r.push(t, "j1")
	r.counted(t, spec, 0)
	keep := r.watch(t, spec)
	expect(t, keep, "0.0")
	expect(t, r.watchOwner(t, time.Time{}), "0.0")
	var asked atomic.Int64
	_, err := r.broker.Conn().Subscribe("$JS.API.>", func(*nats.Msg) { asked.Add(1) })
	must(t, err)
	must(t, r.broker.Conn().Flush())
	const many = 200
	var opened sync.WaitGroup
	for i := range many {
		opened.Go(func() {
			var reader *feed.Reader
			var err error
			if i%2 == 0 {
				reader, err = r.feed.Watch(t.Context(), []string{"somebody", owner}, "j1")
			} else {
				reader, err = r.feed.WatchOwner(t.Context(), owner, time.Time{})
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
	t.Logf("%d requests for %d readers", asked.Load(), many)
	// Alone each would need at least four.
	if asked.Load() > 2*many {
		t.Errorf("%d requests for %d readers", asked.Load(), many)
	}
}

// TestLateReadersSeeWhatOthersSaw has readers join a hub that is ahead of what it is told.
func TestLateReadersSeeWhatOthersSaw(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	one, two := r.push(t, "j1"), r.push(t, "j2")
	first, firstAll := r.watch(t, one), r.watchOwner(t, time.Time{})
	expect(t, first, "0.0")
	states(t, firstAll, "j1 0.0", "j2 0.0")
	r.put(t, one, 1, 1)
	expect(t, first, "1.1")
	expectOf(t, firstAll, "j1 1.1")
	expect(t, r.watch(t, one), "1.1")
	late := r.watchOwner(t, time.Time{})
	states(t, late, "j1 1.1", "j2 0.0")
	// What a new reader finds is told to the others as well, though no event told of it.
	r.mute(t)
	r.put(t, two, 1, 1)
	states(t, r.watchOwner(t, time.Time{}), "j1 1.1", "j2 1.1")
	expectOf(t, firstAll, "j2 1.1")
	expectOf(t, late, "j2 1.1")
	r.settle(t, one)
	again := r.watch(t, one)
	expect(t, again, "end")
	ended(t, again, nil)
	states(t, r.watchOwner(t, time.Time{}), "j2 1.1")
}

// TestResumingTellsNobodyElse has a reader ask for what ended before the others came.
func TestResumingTellsNobodyElse(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	since := time.Now().Add(-time.Second)
	for i := range 3 {
		r.settle(t, r.push(t, fmt.Sprintf("j%d", i)))
	}
	first := r.watchOwner(t, time.Time{})
	states(t, r.watchOwner(t, since), "j0 end", "j1 end", "j2 end")
	r.push(t, "j9")
	expectOf(t, first, "j9 0.0")
}

// TestReaderOfAJobOfSeveralOwners asks for a job under each name of its caller.
func TestReaderOfAJobOfSeveralOwners(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	spec := r.push(t, "j1")
	for range 2 {
		reader, err := r.feed.Watch(t.Context(), []string{"u0", owner, "u2"}, spec.ID)
		must(t, err)
		t.Cleanup(reader.Close)
		expect(t, reader, "0.0")
		// That somebody watches it makes nobody else an owner.
		if _, err := r.feed.Watch(t.Context(), []string{"u0", "u2"}, spec.ID); err == nil {
			t.Error("a stranger may watch")
		}
	}
}

// TestEstimatesDoNotWaitForEachOther has NATS not answer: no caller waits longer than one estimate may take.
func TestEstimatesDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	far, near, line := apart(t, still)
	spec := near.push(t, "j1")
	near.putAs(t, spec, &job.Progress{Status: job.StatusRunning, Delivery: 1, Step: 1, StartedAt: job.AtPtr(time.Now())})
	snap, err := near.jobs.Read(t.Context(), []string{owner}, "j1")
	must(t, err)
	line.hold()
	defer line.release()
	var callers sync.WaitGroup
	for range 20 {
		callers.Go(func() {
			// Whoever gives up gets what is known.
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("gone"))
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
		t.Error("callers that are gone wait for NATS")
	}
}

func TestPlacesThatAreNotAskedFor(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := feed.NewLane(10, 20, 30, 40)
	l.Fill([]uint64{10, 20, 30, 40}, map[uint64]int{10: 0, 20: 4, 30: 5, 40: 9}, now)
	for i, step := range []struct {
		asked []uint64
		found map[uint64]int
		want  []int
	}{
		{[]uint64{10, 20}, map[uint64]int{10: 0, 20: 2}, []int{0, 2, 3, 7}},
		// Nobody can be before somebody who came earlier.
		{[]uint64{20}, map[uint64]int{20: 0}, []int{0, 0, 1, 5}},
		// What has left the queue keeps nobody back, and nothing is known of it.
		{[]uint64{10, 20, 30}, map[uint64]int{30: 0}, []int{0, 0, 0, 4}},
		{[]uint64{30}, map[uint64]int{}, []int{0, 0, 0, 4}},
		{[]uint64{40}, map[uint64]int{40: 2}, []int{0, 0, 0, 2}},
	} {
		if l.Fill(step.asked, step.found, now); !slices.Equal(l.Ahead(), step.want) {
			t.Errorf("step %d: %v, want %v", i, l.Ahead(), step.want)
		}
	}
	fresh := feed.NewLane(1, 2, 3)
	fresh.Fill([]uint64{1}, map[uint64]int{1: 7}, now)
	if want := []int{7, -1, -1}; !slices.Equal(fresh.Ahead(), want) {
		t.Errorf("%v, want %v", fresh.Ahead(), want)
	}
}

// TestEachPlaceHasItsTurn asks for the places of more jobs than one tick may.
func TestEachPlaceHasItsTurn(t *testing.T) {
	t.Parallel()
	var sequences []uint64
	for i := range 10 * feed.QueriedPlaces {
		sequences = append(sequences, uint64(i+1))
	}
	l := feed.NewLane(sequences...)
	asked, now := map[uint64]int{}, time.Now()
	for round := range 20 {
		due := l.Due()
		if len(due) != feed.QueriedPlaces || !slices.Equal(due[:feed.FrontPlaces], sequences[:feed.FrontPlaces]) {
			t.Fatalf("%d due: %v", len(due), due)
		}
		found := map[uint64]int{}
		for _, sequence := range due {
			asked[sequence]++
			found[sequence] = int(sequence) - 1
		}
		l.Fill(due, found, now.Add(time.Duration(round)*time.Second))
	}
	for _, sequence := range sequences {
		if asked[sequence] == 0 {
			t.Errorf("%d is never asked for", sequence)
		}
	}
	if got := feed.NewLane(1, 2, 3).Due(); len(got) != 3 {
		t.Errorf("of a few: %v", got)
	}
}
