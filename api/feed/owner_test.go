package feed_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// expectUnordered reads events and fails the test unless they are the given ones in any order, each as "<job ID> <event ID>".
func expectUnordered(t *testing.T, reader *feed.Reader, want ...string) {
	t.Helper()
	var got []string
	for range want {
		e := next(t, reader)
		got = append(got, e.Job.ID+" "+e.ID)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestWatchOwner(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	one, two, old := r.push(t, "j1"), r.push(t, "j2"), r.push(t, "j3")
	r.push(t, "x1", func(s *job.Spec) { s.Owner = "u2" })
	r.settle(t, old)
	r.put(t, two, 1, 1)
	reader := r.watchOwner(t, time.Time{})
	expectUnordered(t, reader, "j1 0.0", "j2 1.1")
	// A new job, from submission to end.
	three := r.push(t, "j4")
	e := next(t, reader)
	if e.Job.ID != "j4" || e.ID != "0.0" || e.Job.Status != job.StatusQueued {
		t.Errorf("%q, %+v", e.ID, e.Job)
	}
	r.put(t, three, 1, 1)
	expectStates(t, reader, "j4 1.1")
	r.settle(t, three)
	expectStates(t, reader, "j4 end")
	// The other jobs continue, and jobs of other owners are not shown.
	r.put(t, one, 1, 1)
	expectStates(t, reader, "j1 1.1")
	foreign := r.push(t, "x2", func(s *job.Spec) { s.Owner = "u2" })
	r.put(t, foreign, 1, 1)
	r.settle(t, foreign)
	r.settle(t, one)
	r.settle(t, two)
	expectStates(t, reader, "j1 end", "j2 end")
	// The stream stays open for new jobs.
	r.push(t, "j5")
	expectStates(t, reader, "j5 0.0")
}

// TestWatchOwners watches the jobs of a member and of a guest that it has adopted.
func TestWatchOwners(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	ofGuest := func(s *job.Spec) { s.Owner, s.Lane = "g-1", job.LaneGuest }
	mine, guests, old := r.push(t, "j1"), r.push(t, "g1", ofGuest), r.push(t, "g2", ofGuest)
	r.settle(t, old)
	reader, err := r.feed.WatchOwners(t.Context(), []string{owner, "g-1"}, time.Now().Add(-time.Minute))
	must(t, err)
	expectUnordered(t, reader, "j1 0.0", "g1 0.0", "g2 end")
	r.put(t, guests, 1, 1)
	expectStates(t, reader, "g1 1.1")
	r.settle(t, mine)
	expectStates(t, reader, "j1 end")
	reader.Close()
	// Another reader of one of the owners is not affected.
	other := r.watchOwner(t, time.Time{})
	r.settle(t, guests)
	r.push(t, "j2")
	expectStates(t, other, "j2 0.0")
}

func TestWatchOwnerResumes(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	since := time.Now()
	for i, at := range []time.Duration{-time.Minute, -time.Second, time.Second, time.Minute} {
		spec := r.push(t, fmt.Sprintf("j%d", i))
		must(t, r.end(t.Context(), spec, since.Add(at)))
		if i%2 == 0 {
			// The others lack the last step of the settlement.
			r.removeFromQueue(t, spec)
		}
	}
	r.push(t, "j9")
	r.put(t, r.push(t, "j8"), 1, 1)
	reader := r.watchOwner(t, since)
	expectUnordered(t, reader, "j9 0.0", "j8 1.1")
	expectUnordered(t, reader, "j2 end", "j3 end")
	fresh := r.watchOwner(t, time.Time{})
	expectUnordered(t, fresh, "j9 0.0", "j8 1.1")
	// Neither reader has other events.
	r.push(t, "j10")
	expectStates(t, reader, "j10 0.0")
	expectStates(t, fresh, "j10 0.0")
}

// TestWatchOwnerResumesOldJob ends a job after more later ones than are looked through.
func TestWatchOwnerResumesOldJob(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	old := r.push(t, "old")
	since := time.Now()
	for i := range 201 {
		later := r.push(t, fmt.Sprintf("j%d", i))
		must(t, r.end(t.Context(), later, since.Add(-time.Second)))
		r.removeFromQueue(t, later)
	}
	must(t, r.end(t.Context(), old, since.Add(time.Second)))
	r.removeFromQueue(t, old)
	reader := r.watchOwner(t, since)
	r.push(t, "next")
	expectStates(t, reader, "old end", "next 0.0")
}

// TestWatchOwnerSendsEndOnce sends every kind of event for a job that has ended.
func TestWatchOwnerSendsEndOnce(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: 5 * time.Millisecond, Reread: 50 * time.Millisecond})
	spec := r.push(t, "j1")
	reader := r.watchOwner(t, time.Time{})
	ends := 0
	count := func(e feed.Event) {
		if e.Job.ID == "j1" && ends > 0 {
			t.Errorf("%q (%s) after the end", e.ID, e.Job.Status)
		}
		if e.ID == job.EventIDEnd {
			ends++
		}
	}
	count(next(t, reader))
	r.putRecord(t, spec)
	for e := next(t, reader); ; e = next(t, reader) {
		count(e)
		if e.ID == job.EventIDEnd {
			break
		}
	}
	record, err := r.store.Record(t.Context(), owner, "j1")
	must(t, err)
	r.put(t, spec, 2, 1)
	r.publish(t, "events."+broker.EventResult+"."+owner+".j1", encoded(t, record))
	r.publish(t, "events."+broker.EventQueued+"."+owner+".j1", encoded(t, spec))
	must(t, r.store.DeleteProgress(t.Context(), owner, "j1"))
	r.removeFromQueue(t, spec)
	last := r.push(t, "j2")
	for e := next(t, reader); e.Job.ID != "j2"; e = next(t, reader) {
		count(e)
	}
	r.settle(t, last)
	for e := next(t, reader); e.ID != job.EventIDEnd; e = next(t, reader) {
		count(e)
	}
	// The deletion of its result is no event either.
	must(t, r.jobs.Delete(t.Context(), []string{owner}, "j2"))
	r.push(t, "j3")
	expectStates(t, reader, "j3 0.0")
}

// TestWatchOwnerRepeatedSubmission repeats the submission of a job that has ended. Readers must not see it as queued.
func TestWatchOwnerRepeatedSubmission(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	r.settle(t, spec)
	reader := r.watchOwner(t, time.Time{})
	if _, replayed, err := r.jobs.Enqueue(t.Context(), spec, true); err != nil || !replayed {
		t.Fatalf("replayed %t, %v", replayed, err)
	}
	expectStates(t, reader, "j1 end")
	r.push(t, "j2")
	expectStates(t, reader, "j2 0.0")
}

// TestWatchOwnerReusedKey submits a job with the ID of one that ended and was deleted.
func TestWatchOwnerReusedKey(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	reader := r.watchOwner(t, time.Time{})
	for range 2 {
		spec := r.push(t, "j1")
		expectStates(t, reader, "j1 0.0")
		r.put(t, spec, 1, 1)
		expectStates(t, reader, "j1 1.1")
		r.settle(t, spec)
		expectStates(t, reader, "j1 end")
		must(t, r.jobs.Delete(t.Context(), []string{owner}, "j1"))
		// A submission with the same key does this before it queues its job.
		must(t, r.store.RemoveTombstone(t.Context(), owner, "j1"))
	}
}

// TestWatchOwnerMissesNoJob submits and ends jobs while readers open.
func TestWatchOwnerMissesNoJob(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	rounds := 40
	if testing.Short() {
		rounds = 10
	}
	for i := range rounds {
		began := time.Now().Add(-time.Second)
		spec := r.push(t, fmt.Sprintf("j%d", i))
		wrote := make(chan error, 1)
		go func() { wrote <- r.end(t.Context(), spec, time.Now()) }()
		reader := r.watchOwner(t, began)
		for e := next(t, reader); e.Job.ID != spec.ID || e.ID != job.EventIDEnd; e = next(t, reader) {
			if e.Job.ID == spec.ID && e.Job.Status != job.StatusQueued {
				t.Errorf("%s is %s", spec.ID, e.Job.Status)
			}
		}
		must(t, <-wrote)
		r.removeFromQueue(t, spec)
		reader.Close()
	}
}

func TestWatchOwnerManyJobs(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: 50 * time.Millisecond, Reread: 50 * time.Millisecond})
	const many = 150
	var want []string
	specs := map[string]*job.Spec{}
	for i := range many {
		spec := r.push(t, fmt.Sprintf("j%d", i))
		specs[spec.ID] = spec
		want = append(want, spec.ID)
	}
	slices.Sort(want)
	count := r.broker.Conn().NumSubscriptions
	before := count()
	reader := r.watchOwner(t, time.Time{})
	second := r.watchOwner(t, time.Time{})
	// A read in progress has a subscription of its own.
	eventually(t, "one subscription for one owner", func() bool { return count() == before+1 })
	second.Close()
	seen := map[string]string{}
	for len(seen) < many {
		if e := next(t, reader); e.ID != "" {
			seen[e.Job.ID] += e.ID + " "
		}
	}
	var ending sync.WaitGroup
	ending.Go(func() {
		for _, spec := range specs {
			if err := r.end(t.Context(), spec, time.Now()); err != nil {
				t.Errorf("settle: %v", err)
			}
		}
	})
	for left := many; left > 0; {
		e := next(t, reader)
		if e.ID == "" {
			continue
		}
		seen[e.Job.ID] += e.ID + " "
		if e.ID == job.EventIDEnd {
			left--
		}
	}
	ending.Wait() // An event may arrive before its write is acknowledged.
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		t.Errorf("shown: %v", got)
	}
	for id, events := range seen {
		if events != "0.0 end " {
			t.Errorf("%s: %s", id, strings.TrimSpace(events))
		}
	}
	reader.Close()
	drain(t, reader)
	// A read in progress has a subscription of its own.
	eventually(t, "the subscription ends", func() bool { return count() == before })
}

// TestWatchOwnerForgetsRemovedJob removes a queued job without ending it, as an operator may.
func TestWatchOwnerForgetsRemovedJob(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: time.Hour, Reread: 10 * time.Millisecond})
	spec := r.push(t, "j1")
	reader := r.watchOwner(t, time.Time{})
	expectStates(t, reader, "j1 0.0")
	// Once the job is forgotten, its state is news again.
	for limit := time.Now().Add(hang); ; {
		r.removeFromQueue(t, spec)
		<-time.After(200 * time.Millisecond) // Many rereads.
		spec = r.push(t, "j1")
		select {
		case e := <-reader.Events():
			if e.Job.ID != "j1" || e.ID != "0.0" {
				t.Errorf("%s %q", e.Job.ID, e.ID)
			}
			return
		case <-time.After(200 * time.Millisecond):
		}
		if time.Now().After(limit) {
			t.Fatal("the job is not forgotten")
		}
	}
}

// TestJobEndsWhileReaderOpens submits and ends a job after the jobs of the owner were read and before the first event. The
// reader must receive its end although the read did not return it.
func TestJobEndsWhileReaderOpens(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	for name, since := range map[string]time.Time{"new": {}, "resumed": time.Now()} {
		r.feed.SetAfterRead(func() {
			spec := r.push(t, "quick-"+name)
			r.settle(t, spec)
			eventually(t, "the hub has sent the end", func() bool { return r.feed.KnowsEnd("u1", spec.ID) })
		})
		reader := r.watchOwner(t, since)
		r.feed.SetAfterRead(nil)
		e := next(t, reader)
		for e.Job.ID != "quick-"+name {
			e = next(t, reader)
		}
		if e.ID != job.EventIDEnd {
			t.Errorf("%s: %q", name, e.ID)
		}
	}
}

// TestStatesDoNotGoBackWhileReaderOpens starts another delivery of a job after the jobs of its owner were read for a second reader, and
// before the first event of that. Neither reader may receive the state that was read after the newer one.
func TestStatesDoNotGoBackWhileReaderOpens(t *testing.T) {
	t.Parallel()
	r := start(t, noRereads)
	spec := r.push(t, "j1")
	r.put(t, spec, 1, 1)
	first := r.watchOwner(t, time.Time{})
	expectStates(t, first, "j1 1.1")
	r.feed.SetAfterRead(func() {
		r.put(t, spec, 2, 1)
		expectStates(t, first, "j1 2.1")
	})
	second := r.watchOwner(t, time.Time{})
	r.feed.SetAfterRead(nil)
	expectStates(t, second, "j1 2.1")
	r.put(t, spec, 2, 2)
	expectStates(t, first, "j1 2.2")
	expectStates(t, second, "j1 2.2")
}
