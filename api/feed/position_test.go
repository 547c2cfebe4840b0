package feed_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// place asserts where an event sees its job.
func place(t *testing.T, e feed.Event, want int) {
	t.Helper()
	if e.Job.QueuePosition == nil {
		t.Errorf("event %q has no place, want %d", e.ID, want)
	} else if *e.Job.QueuePosition != want {
		t.Errorf("event %q is at %d, want %d", e.ID, *e.Job.QueuePosition, want)
	}
}

// counted waits until the queue has counted a job in, which it does a moment after it has taken it.
func (r *rig) counted(t *testing.T, spec *job.Spec, want int) {
	t.Helper()
	eventually(t, "the queue has counted the job", func() bool {
		entry, err := r.queue.Find(t.Context(), spec.Owner, spec.ID)
		must(t, err)
		got, err := r.queue.Position(t.Context(), entry)
		must(t, err)
		return got == want
	})
}

// until reads ticks, which may repeat a place that is known, up to the wanted one.
func until(t *testing.T, reader *feed.Reader, want int) {
	t.Helper()
	for last := 1 << 30; last != want; {
		e := next(t, reader)
		if e.ID != "" || e.Job.Status != job.StatusQueued || e.Job.QueuePosition == nil {
			t.Fatalf("%q is no tick: %+v", e.ID, e.Job)
		}
		if *e.Job.QueuePosition > last || *e.Job.QueuePosition < want {
			t.Fatalf("at %d after %d, want %d", *e.Job.QueuePosition, last, want)
		}
		last = *e.Job.QueuePosition
	}
}

func TestPositionFalls(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: 20 * time.Millisecond, Reread: time.Hour})
	r.push(t, "j1")
	r.push(t, "j2")
	r.push(t, "j3")
	last := r.push(t, "j4")
	r.counted(t, last, 3)
	reader := r.watch(t, last)
	first := next(t, reader)
	place(t, first, 3)
	if first.ID != "0.0" {
		t.Errorf("the first event is %q", first.ID)
	}
	// The first tick may repeat what is known; as long as nothing changes no other follows.
	until(t, reader, 3)
	select {
	case e := <-reader.Events():
		t.Errorf("%q tells nothing new, %+v", e.ID, e.Job)
	case <-time.After(200 * time.Millisecond):
	}
	all, err := r.feed.WatchOwner(t.Context(), owner, time.Time{})
	must(t, err)
	for range 4 {
		if e := next(t, all); e.ID != "0.0" || e.Job.QueuePosition == nil {
			t.Errorf("%q, %+v", e.ID, e.Job)
		}
	}
	all.Close()
	for want := 2; want >= 0; want-- {
		r.take(t)
		until(t, reader, want)
	}
	r.take(t)
	r.put(t, last, 1, 1)
	e := next(t, reader)
	for ; e.ID == ""; e = next(t, reader) {
		place(t, e, 0)
	}
	if e.ID != "1.1" || e.Job.QueuePosition != nil {
		t.Errorf("%q, %+v", e.ID, e.Job)
	}
	// Ten ticks later nothing has been told.
	select {
	case e := <-reader.Events():
		t.Errorf("%q while running, %+v", e.ID, e.Job)
	case <-time.After(200 * time.Millisecond):
	}
}

// TestPositionReachesTheFront is about the first tick: that a job is next is as much news as any other place.
func TestPositionReachesTheFront(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: 500 * time.Millisecond, Reread: time.Hour})
	ahead := r.push(t, "j1")
	spec := r.push(t, "j2")
	r.counted(t, spec, 1)
	one, all := r.watch(t, spec), r.watchOwner(t, time.Time{})
	place(t, next(t, one), 1)
	next(t, all)
	next(t, all)
	r.leave(t, ahead)
	until(t, one, 0)
	for {
		e := next(t, all)
		if e.ID != "" {
			t.Fatalf("%q is no tick", e.ID)
		}
		if e.Job.ID == "j2" {
			place(t, e, 0)
			break
		}
	}
}

// TestPositionIsAskedForOnce counts the requests for many readers.
func TestPositionIsAskedForOnce(t *testing.T) {
	t.Parallel()
	const tick = 100 * time.Millisecond
	r := start(t, feed.Config{Tick: tick, Reread: time.Hour})
	r.push(t, "j1")
	spec := r.push(t, "j2")
	r.counted(t, spec, 1)
	var readers []*feed.Reader
	for range 20 {
		reader := r.watch(t, spec)
		readers = append(readers, reader)
		place(t, next(t, reader), 1)
	}
	var asked atomic.Int64
	again := make(chan struct{}, 1000)
	_, err := r.broker.Conn().Subscribe("$JS.API.CONSUMER.INFO."+broker.StreamJobs+".>", func(*nats.Msg) {
		asked.Add(1)
		again <- struct{}{}
	})
	must(t, err)
	must(t, r.broker.Conn().Flush())
	begin := time.Now()
	for range 5 {
		<-again
	}
	if most := int64(time.Since(begin)/tick) + 2; asked.Load() > most {
		t.Errorf("asked %d times, want at most %d", asked.Load(), most)
	}
	// Nobody asks for the place of a job that runs, although it is in the queue until it is settled.
	r.put(t, spec, 1, 1)
	for _, reader := range readers {
		for e := next(t, reader); e.ID != "1.1"; e = next(t, reader) {
			place(t, e, 1)
		}
	}
	// One round may be under way.
	<-time.After(2 * tick)
	asked.Store(0)
	<-time.After(5 * tick)
	if got := asked.Load(); got != 0 {
		t.Errorf("asked %d times for a running job", got)
	}
	// Nor does a reader that comes now bring the question back, be it the first one of its job.
	expect(t, r.watch(t, spec), "1.1")
	other := r.push(t, "j3")
	r.put(t, other, 1, 1)
	expect(t, r.watch(t, other), "1.1")
	<-time.After(3 * tick)
	if got := asked.Load(); got != 0 {
		t.Errorf("asked %d times for a running job of a new reader", got)
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		workers map[string][2]float64
		ahead   int
		want    int
	}{
		"nobody":             {nil, 5, 0},
		"nothing measured":   {map[string][2]float64{"w1": {2, 0}}, 5, 0},
		"next":               {map[string][2]float64{"w1": {2, 10}}, 0, 10},
		"behind some":        {map[string][2]float64{"w1": {2, 10}}, 5, 33},
		"of two workers":     {map[string][2]float64{"w1": {3, 10}, "w2": {1, 30}}, 5, 23},
		"a part of a second": {map[string][2]float64{"w1": {1, 0.2}}, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := start(t, still)
			for id, w := range tc.workers {
				r.announce(t, id, int(w[0]), w[1])
			}
			for i := range tc.ahead {
				r.push(t, fmt.Sprintf("before%d", i))
			}
			spec := r.push(t, "j1")
			r.counted(t, spec, tc.ahead)
			reader := r.watch(t, spec)
			e := next(t, reader)
			place(t, e, tc.ahead)
			eta(t, e.Job, tc.want, tc.want)
			snap, err := r.jobs.Read(t.Context(), []string{owner}, "j1")
			must(t, err)
			eta(t, r.feed.View(t.Context(), snap), tc.want, tc.want)
			// One that runs for longer than usual may end any moment.
			r.putAs(t, spec, &job.Progress{
				Status: job.StatusRunning, Delivery: 1, Step: 1, StartedAt: job.AtPtr(time.Now().Add(-time.Hour)),
			})
			late := 0
			if tc.want > 0 {
				late = 1
			}
			e = next(t, reader)
			eta(t, e.Job, late, late)
			r.putAs(t, spec, &job.Progress{Status: job.StatusRetrying, Delivery: 1, Step: 2, StartedAt: job.AtPtr(time.Now())})
			eta(t, next(t, reader).Job, 0, 0)
		})
	}
}

// eta asserts an estimate between two bounds, 0 for none.
func eta(t *testing.T, j *job.Job, least, most int) {
	t.Helper()
	got := 0
	if j.ETASeconds != nil {
		got = *j.ETASeconds
	}
	if got < least || got > most {
		t.Errorf("%s: %d seconds to go, want %d to %d", j.Status, got, least, most)
	}
}

func TestEstimateOfARunningJob(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	r.announce(t, "w1", 2, 600)
	spec := r.push(t, "j1")
	r.putAs(t, spec, &job.Progress{
		Status: job.StatusRunning, Delivery: 1, Step: 1, StartedAt: job.AtPtr(time.Now().Add(-100 * time.Second)),
	})
	e := next(t, r.watch(t, spec))
	eta(t, e.Job, 500-int(hang.Seconds()), 500)
	// Before it has begun there is nothing to go by.
	r.putAs(t, spec, &job.Progress{Status: job.StatusRunning, Delivery: 1, Step: 2})
	eta(t, next(t, r.watch(t, spec)).Job, 0, 0)
}

// TestTicksCarryTheEstimate shows that an estimate is told when it comes to be, although the place stays.
func TestTicksCarryTheEstimate(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: 20 * time.Millisecond, Reread: time.Hour})
	r.announce(t, "w1", 1, 7)
	r.push(t, "j1")
	spec := r.push(t, "j2")
	r.counted(t, spec, 1)
	one, all := r.watch(t, spec), r.watchOwner(t, time.Time{})
	for _, reader := range []*feed.Reader{one, all} {
		e := next(t, reader)
		for e.ID != "" || e.Job.ID != "j2" {
			e = next(t, reader)
		}
		place(t, e, 1)
		eta(t, e.Job, 14, 14)
	}
	// The slot is taken, and in the middle of its run as far as anybody knows.
	r.take(t)
	for e := next(t, one); *e.Job.QueuePosition != 0 || *e.Job.ETASeconds != 11; e = next(t, one) {
		eta(t, e.Job, 7, 14)
	}
	r.announce(t, "w1", 1, 9)
	for e := next(t, one); *e.Job.ETASeconds != 14; e = next(t, one) {
		eta(t, e.Job, 11, 14)
	}
}
