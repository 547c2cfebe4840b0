package feed_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/api/jobview"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// checkPosition fails the test unless an event has the given queue position.
func checkPosition(t *testing.T, e feed.Event, want int) {
	t.Helper()
	if e.Job.QueuePosition == nil {
		t.Errorf("event %q has no position, want %d", e.ID, want)
	} else if *e.Job.QueuePosition != want {
		t.Errorf("event %q has position %d, want %d", e.ID, *e.Job.QueuePosition, want)
	}
}

// awaitPosition waits until a job has a queue position. The server counts a message shortly after acknowledging it.
func (r *rig) awaitPosition(t *testing.T, spec *job.Spec, want int) {
	t.Helper()
	eventually(t, "the queue counts the job", func() bool {
		entry, err := r.queue.Find(t.Context(), spec.Owner, spec.ID)
		must(t, err)
		positions, err := r.queue.Positions(t.Context(), spec.Kind, spec.Lane, []uint64{entry.Sequence})
		must(t, err)
		got, ok := positions.Ahead[entry.Sequence]
		return ok && got == want
	})
}

// awaitTick reads ticks, which may repeat a position, until the wanted position.
func awaitTick(t *testing.T, reader *feed.Reader, want int) {
	t.Helper()
	for last := 1 << 30; last != want; {
		e := next(t, reader)
		if e.ID != "" || e.Job.Status != job.StatusQueued || e.Job.QueuePosition == nil {
			t.Fatalf("%q is not a tick: %+v", e.ID, e.Job)
		}
		if *e.Job.QueuePosition > last || *e.Job.QueuePosition < want {
			t.Fatalf("position %d after %d, want %d", *e.Job.QueuePosition, last, want)
		}
		last = *e.Job.QueuePosition
	}
}

func TestQueuePositionUpdates(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: 20 * time.Millisecond, Reread: time.Hour})
	r.push(t, "j1")
	r.push(t, "j2")
	r.push(t, "j3")
	last := r.push(t, "j4")
	r.awaitPosition(t, last, 3)
	reader := r.watch(t, last)
	first := next(t, reader)
	checkPosition(t, first, 3)
	if first.ID != "0.0" {
		t.Errorf("the first event is %q", first.ID)
	}
	// The first tick may repeat the position. No other tick follows while nothing changes.
	awaitTick(t, reader, 3)
	select {
	case e := <-reader.Events():
		t.Errorf("event %q without a change: %+v", e.ID, e.Job)
	case <-time.After(200 * time.Millisecond):
	}
	all, err := r.feed.WatchOwners(t.Context(), []string{owner}, time.Time{})
	must(t, err)
	for range 4 {
		if e := next(t, all); e.ID != "0.0" || e.Job.QueuePosition == nil {
			t.Errorf("%q, %+v", e.ID, e.Job)
		}
	}
	all.Close()
	for want := 2; want >= 0; want-- {
		r.pullAndAbandon(t)
		awaitTick(t, reader, want)
	}
	r.pullAndAbandon(t)
	r.put(t, last, 1, 1)
	e := next(t, reader)
	for ; e.ID == ""; e = next(t, reader) {
		checkPosition(t, e, 0)
	}
	if e.ID != "1.1" || e.Job.QueuePosition != nil {
		t.Errorf("%q, %+v", e.ID, e.Job)
	}
	// No event follows within ten ticks.
	select {
	case e := <-reader.Events():
		t.Errorf("event %q while running: %+v", e.ID, e.Job)
	case <-time.After(200 * time.Millisecond):
	}
}

// TestQueuePositionReachesZero checks that position 0 is sent like any other position.
func TestQueuePositionReachesZero(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: 500 * time.Millisecond, Reread: time.Hour})
	ahead := r.push(t, "j1")
	spec := r.push(t, "j2")
	r.awaitPosition(t, spec, 1)
	one, all := r.watch(t, spec), r.watchOwner(t, time.Time{})
	checkPosition(t, next(t, one), 1)
	next(t, all)
	next(t, all)
	r.removeFromQueue(t, ahead)
	awaitTick(t, one, 0)
	for {
		e := next(t, all)
		if e.ID != "" {
			t.Fatalf("%q is not a tick", e.ID)
		}
		if e.Job.ID == "j2" {
			checkPosition(t, e, 0)
			break
		}
	}
}

// TestReadersShareQueuePosition counts the requests for many readers of a job.
func TestReadersShareQueuePosition(t *testing.T) {
	t.Parallel()
	const tick = 100 * time.Millisecond
	r := start(t, feed.Config{Tick: tick, Reread: time.Hour})
	r.push(t, "j1")
	spec := r.push(t, "j2")
	r.awaitPosition(t, spec, 1)
	var readers []*feed.Reader
	for range 20 {
		reader := r.watch(t, spec)
		readers = append(readers, reader)
		checkPosition(t, next(t, reader), 1)
	}
	var requests atomic.Int64
	requested := make(chan struct{}, 1000)
	_, err := r.broker.Conn().Subscribe("$JS.API.CONSUMER.INFO."+broker.StreamJobs+".>", func(*nats.Msg) {
		requests.Add(1)
		requested <- struct{}{}
	})
	must(t, err)
	must(t, r.broker.Conn().Flush())
	begin := time.Now()
	for range 5 {
		<-requested
	}
	if most := int64(time.Since(begin)/tick) + 2; requests.Load() > most {
		t.Errorf("%d requests, want at most %d", requests.Load(), most)
	}
	// The position of a running job is not queried, although it is in the stream until it is settled.
	r.put(t, spec, 1, 1)
	for _, reader := range readers {
		for e := next(t, reader); e.ID != "1.1"; e = next(t, reader) {
			checkPosition(t, e, 1)
		}
	}
	// One tick may be in progress.
	<-time.After(2 * tick)
	requests.Store(0)
	<-time.After(5 * tick)
	if got := requests.Load(); got != 0 {
		t.Errorf("%d requests for a running job", got)
	}
	// Nor is it queried after a reader opens, even the first one of its job.
	expect(t, r.watch(t, spec), "1.1")
	other := r.push(t, "j3")
	r.put(t, other, 1, 1)
	expect(t, r.watch(t, other), "1.1")
	<-time.After(3 * tick)
	if got := requests.Load(); got != 0 {
		t.Errorf("%d requests for a running job with a new reader", got)
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		workers map[string][2]float64
		ahead   int
		want    int
	}{
		"no worker":          {nil, 5, 0},
		"no run time":        {map[string][2]float64{"w1": {2, 0}}, 5, 0},
		"next":               {map[string][2]float64{"w1": {2, 10}}, 0, 10},
		"behind some":        {map[string][2]float64{"w1": {2, 10}}, 5, 33},
		"two workers":        {map[string][2]float64{"w1": {3, 10}, "w2": {1, 30}}, 5, 23},
		"less than a second": {map[string][2]float64{"w1": {1, 0.2}}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, noRereads)
			for id, w := range tc.workers {
				r.registerWorker(t, id, int(w[0]), w[1])
			}
			for i := range tc.ahead {
				r.push(t, fmt.Sprintf("before%d", i))
			}
			spec := r.push(t, "j1")
			r.awaitPosition(t, spec, tc.ahead)
			reader := r.watch(t, spec)
			e := next(t, reader)
			checkPosition(t, e, tc.ahead)
			checkETA(t, e.Job, tc.want, tc.want)
			snap, err := r.jobs.Read(t.Context(), []string{owner}, "j1")
			must(t, err)
			checkETA(t, r.feed.View(t.Context(), snap), tc.want, tc.want)
			// A job that runs longer than usual gets one second.
			r.putProgress(t, spec, &job.Progress{
				Status: job.StatusRunning, Delivery: 1, Step: 1, StartedAt: job.AtPtr(time.Now().Add(-time.Hour)),
			})
			late := 0
			if tc.want > 0 {
				late = 1
			}
			e = next(t, reader)
			checkETA(t, e.Job, late, late)
			r.putProgress(t, spec, &job.Progress{Status: job.StatusRetrying, Delivery: 1, Step: 2, StartedAt: job.AtPtr(time.Now())})
			checkETA(t, next(t, reader).Job, 0, 0)
		})
	}
}

// checkETA fails the test unless the estimate is between two bounds; 0 means no estimate.
func checkETA(t *testing.T, j *jobview.Job, low, high int) {
	t.Helper()
	got := 0
	if j.ETASeconds != nil {
		got = *j.ETASeconds
	}
	if got < low || got > high {
		t.Errorf("%s: ETA %d s, want %d to %d", j.Status, got, low, high)
	}
}

func TestEstimateOfRunningJob(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	r.registerWorker(t, "w1", 2, 600)
	spec := r.push(t, "j1")
	r.putProgress(t, spec, &job.Progress{
		Status: job.StatusRunning, Delivery: 1, Step: 1, StartedAt: job.AtPtr(time.Now().Add(-100 * time.Second)),
	})
	e := next(t, r.watch(t, spec))
	checkETA(t, e.Job, 470, 500)
	// Without a start time there is no estimate.
	r.putProgress(t, spec, &job.Progress{Status: job.StatusRunning, Delivery: 1, Step: 2})
	checkETA(t, next(t, r.watch(t, spec)).Job, 0, 0)
}

// TestTicksUpdateTheEstimate checks that a new estimate is sent although the position stays the same.
func TestTicksUpdateTheEstimate(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: 20 * time.Millisecond, Reread: time.Hour})
	r.registerWorker(t, "w1", 1, 7)
	r.push(t, "j1")
	spec := r.push(t, "j2")
	r.awaitPosition(t, spec, 1)
	one, all := r.watch(t, spec), r.watchOwner(t, time.Time{})
	for _, reader := range []*feed.Reader{one, all} {
		e := next(t, reader)
		for e.ID != "" || e.Job.ID != "j2" {
			e = next(t, reader)
		}
		checkPosition(t, e, 1)
		checkETA(t, e.Job, 14, 14)
	}
	// The slot is occupied and assumed to be in the middle of its run.
	r.pullAndAbandon(t)
	for e := next(t, one); *e.Job.QueuePosition != 0 || *e.Job.ETASeconds != 11; e = next(t, one) {
		checkETA(t, e.Job, 7, 14)
	}
	r.registerWorker(t, "w1", 1, 9)
	for e := next(t, one); *e.Job.ETASeconds != 14; e = next(t, one) {
		checkETA(t, e.Job, 11, 14)
	}
}

// TestPositionRequestsDoNotGrowWithJobs counts the requests for positions while three tabs of an owner show twenty queued jobs.
func TestPositionRequestsDoNotGrowWithJobs(t *testing.T) {
	t.Parallel()
	const tick, many, ticks = 100 * time.Millisecond, 20, 10
	r := start(t, feed.Config{Tick: tick, Reread: time.Hour})
	var last *job.Spec
	for i := range many {
		last = r.push(t, fmt.Sprintf("j%d", i))
	}
	r.awaitPosition(t, last, many-1)
	for range 3 {
		tab := r.watchOwner(t, time.Time{})
		places := map[int]bool{}
		for range many {
			e := next(t, tab)
			if e.Job.QueuePosition == nil {
				t.Fatalf("%s has no position", e.Job.ID)
			}
			places[*e.Job.QueuePosition] = true
		}
		if len(places) != many {
			t.Errorf("positions %v", places)
		}
	}
	var requests atomic.Int64
	counted := make(chan struct{}, 10_000)
	count := func(*nats.Msg) { requests.Add(1) }
	_, err := r.broker.Conn().Subscribe("$JS.API.DIRECT.GET."+broker.StreamJobs, count)
	must(t, err)
	_, err = r.broker.Conn().Subscribe("$JS.API.CONSUMER.INFO."+broker.StreamJobs+".>", func(m *nats.Msg) {
		count(m)
		counted <- struct{}{} // Once per tick.
	})
	must(t, err)
	must(t, r.broker.Conn().Flush())
	for range ticks {
		<-counted
	}
	// The load of the lane, the first position and another one in turn; a tick may be in progress at each end.
	if got := requests.Load(); got > 3*(ticks+2) {
		t.Errorf("%d requests in %d ticks", got, ticks)
	}
}
