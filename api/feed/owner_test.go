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

// states reads as many events as are given, in any order, each as "<job> <id>".
func states(t *testing.T, reader *feed.Reader, want ...string) {
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

func TestWatchOwnerShowsAllJobs(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	one, two, old := r.push(t, "j1"), r.push(t, "j2"), r.push(t, "j3")
	r.push(t, "x1", func(s *job.Spec) { s.Owner = "u2" })
	r.settle(t, old)
	r.put(t, two, 1, 1)
	reader := r.watchOwner(t, time.Time{})
	states(t, reader, "j1 0.0", "j2 1.1")
	// One that comes from elsewhere, and its whole life.
	three := r.push(t, "j4")
	e := next(t, reader)
	if e.Job.ID != "j4" || e.ID != "0.0" || e.Job.Status != job.StatusQueued {
		t.Errorf("%q, %+v", e.ID, e.Job)
	}
	r.put(t, three, 1, 1)
	expectOf(t, reader, "j4 1.1")
	r.settle(t, three)
	expectOf(t, reader, "j4 end")
	// The others go on, and nobody else's are shown.
	r.put(t, one, 1, 1)
	expectOf(t, reader, "j1 1.1")
	stranger := r.push(t, "x2", func(s *job.Spec) { s.Owner = "u2" })
	r.put(t, stranger, 1, 1)
	r.settle(t, stranger)
	r.settle(t, one)
	r.settle(t, two)
	expectOf(t, reader, "j1 end", "j2 end")
	// The stream stays open for the jobs to come.
	r.push(t, "j5")
	expectOf(t, reader, "j5 0.0")
}

func TestWatchOwnerResumes(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	since := time.Now()
	for i, at := range []time.Duration{-time.Minute, -time.Second, time.Second, time.Minute} {
		spec := r.push(t, fmt.Sprintf("j%d", i))
		must(t, r.end(t.Context(), spec, since.Add(at)))
		if i%2 == 0 {
			// The others have been settled but for the last step.
			r.leave(t, spec)
		}
	}
	r.push(t, "j9")
	r.put(t, r.push(t, "j8"), 1, 1)
	reader := r.watchOwner(t, since)
	states(t, reader, "j9 0.0", "j8 1.1")
	states(t, reader, "j2 end", "j3 end")
	fresh := r.watchOwner(t, time.Time{})
	states(t, fresh, "j9 0.0", "j8 1.1")
	// Neither shows anything else.
	r.push(t, "j10")
	expectOf(t, reader, "j10 0.0")
	expectOf(t, fresh, "j10 0.0")
}

// TestWatchOwnerEndsAJobOnce tells of a job after its end in every way there is.
func TestWatchOwnerEndsAJobOnce(t *testing.T) {
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
	r.record(t, spec)
	for e := next(t, reader); ; e = next(t, reader) {
		count(e)
		if e.ID == job.EventIDEnd {
			break
		}
	}
	record, err := r.store.Record(t.Context(), owner, "j1")
	must(t, err)
	r.put(t, spec, 2, 1)
	r.forge(t, "events."+broker.EventResult+"."+owner+".j1", encoded(t, record))
	r.forge(t, "events."+broker.EventQueued+"."+owner+".j1", encoded(t, spec))
	must(t, r.store.DeleteProgress(t.Context(), owner, "j1"))
	r.leave(t, spec)
	last := r.push(t, "j2")
	for e := next(t, reader); e.Job.ID != "j2"; e = next(t, reader) {
		count(e)
	}
	r.settle(t, last)
	for e := next(t, reader); e.ID != job.EventIDEnd; e = next(t, reader) {
		count(e)
	}
	// That its result is deleted is no event either.
	must(t, r.jobs.Delete(t.Context(), []string{owner}, "j2"))
	r.push(t, "j3")
	expectOf(t, reader, "j3 0.0")
}

// TestWatchOwnerOfARepeatedSubmission tells of the submission of a job that ended long ago. It did not wait again, so
// nobody may see it waiting.
func TestWatchOwnerOfARepeatedSubmission(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	spec := r.push(t, "j1")
	r.settle(t, spec)
	reader := r.watchOwner(t, time.Time{})
	if _, replayed, err := r.jobs.Enqueue(t.Context(), spec, true); err != nil || !replayed {
		t.Fatalf("replayed %t, %v", replayed, err)
	}
	expectOf(t, reader, "j1 end")
	r.push(t, "j2")
	expectOf(t, reader, "j2 0.0")
}

// TestWatchOwnerOfAKeyUsedAgain has a job of the same id come after one that was shown to end and was deleted.
func TestWatchOwnerOfAKeyUsedAgain(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	reader := r.watchOwner(t, time.Time{})
	for range 2 {
		spec := r.push(t, "j1")
		expectOf(t, reader, "j1 0.0")
		r.put(t, spec, 1, 1)
		expectOf(t, reader, "j1 1.1")
		r.settle(t, spec)
		expectOf(t, reader, "j1 end")
		must(t, r.jobs.Delete(t.Context(), []string{owner}, "j1"))
		// As a submission with the same key does before it queues its job.
		must(t, r.store.RemoveTombstone(t.Context(), owner, "j1"))
	}
}

// TestWatchOwnerMissesNoJob submits and ends jobs while streams are being opened.
func TestWatchOwnerMissesNoJob(t *testing.T) {
	t.Parallel()
	r := start(t, still)
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
		r.leave(t, spec)
		reader.Close()
	}
}

func TestWatchOwnerOfManyJobs(t *testing.T) {
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
	// A reading that is under way has a subscription of its own.
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
	ending.Wait() // An event may come before the write that caused it is confirmed.
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		t.Errorf("shown: %v", got)
	}
	for id, story := range seen {
		if story != "0.0 end " {
			t.Errorf("%s: %s", id, strings.TrimSpace(story))
		}
	}
	reader.Close()
	drain(t, reader)
	// A reading of the jobs may have been under way, which has a subscription of its own for its answers.
	eventually(t, "nobody watches", func() bool { return count() == before })
}

// TestWatchOwnerForgetsWhatVanishes takes a waiting job away without an end, as an operator may.
func TestWatchOwnerForgetsWhatVanishes(t *testing.T) {
	t.Parallel()
	r := start(t, feed.Config{Tick: time.Hour, Reread: 10 * time.Millisecond})
	spec := r.push(t, "j1")
	reader := r.watchOwner(t, time.Time{})
	expectOf(t, reader, "j1 0.0")
	// Once it is forgotten, the same job is news again.
	for limit := time.Now().Add(hang); ; {
		r.leave(t, spec)
		<-time.After(200 * time.Millisecond) // Many readings.
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
			t.Fatal("the job is remembered")
		}
	}
}

// TestJobThatEndsWhileAStreamOpens submits and ends a job between the reading of the owner's jobs and the first event. The
// stream tells of it, though no list has it.
func TestJobThatEndsWhileAStreamOpens(t *testing.T) {
	t.Parallel()
	r := start(t, still)
	for name, since := range map[string]time.Time{"new": {}, "resumed": time.Now()} {
		r.feed.SetAfterRead(func() {
			spec := r.push(t, "quick-"+name)
			r.settle(t, spec)
			// The notice is handled in its own time.
			eventually(t, "the end to be known", func() bool { return r.feed.KnowsEnd("u1", spec.ID) })
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
