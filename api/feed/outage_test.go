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
)

// TestReadersSurviveAnOutage takes NATS away from the feed for two seconds, in which jobs begin, end and are submitted.
func TestReadersSurviveAnOutage(t *testing.T) {
	t.Parallel()
	far, near, line := apart(t, feed.Config{Tick: 100 * time.Millisecond, Reread: 200 * time.Millisecond})
	runs, ends, later := near.push(t, "j1"), near.push(t, "j2"), near.push(t, "j3")
	readers := map[string]*feed.Reader{}
	for _, spec := range []*job.Spec{runs, ends, later} {
		readers[spec.ID] = far.watch(t, spec)
	}
	all := far.watchOwner(t, time.Time{})
	for _, reader := range readers {
		expect(t, reader, "0.0")
	}
	for range readers {
		if e := next(t, all); e.ID != "0.0" {
			t.Errorf("first %q", e.ID)
		}
	}
	awaited, begun := make(chan error, 1), make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	go func() {
		snap, err := far.feed.Await(t.Context(), []string{owner}, "j2", func(s *job.Snapshot) bool {
			begin()
			return s.Record != nil
		})
		if err == nil && snap.Record == nil {
			err = errors.New("it has not ended")
		}
		awaited <- err
	}()
	<-begun

	line.cut()
	eventually(t, "the feed is cut off", func() bool { return !far.broker.Conn().IsConnected() })
	outage := time.NewTimer(2 * time.Second)
	near.put(t, runs, 1, 1)
	near.settle(t, ends)
	near.push(t, "j4")
	<-outage.C
	line.mend()

	states := map[string]string{}
	for len(states) < 3 {
		// A state that was told to nobody is found by reading, ticks come again on the way.
		if e := next(t, all); e.ID != "" {
			states[e.Job.ID] += e.ID + " "
		}
	}
	if want := "map[j1:1.1  j2:end  j4:0.0 ]"; fmt.Sprint(states) != want {
		t.Errorf("after the outage %v, want %s", states, want)
	}
	// The subscriptions stand again, and so do the others' readers.
	near.put(t, later, 1, 1)
	for id, want := range map[string]string{"j1": "1.1", "j2": "end", "j3": "1.1"} {
		e := next(t, readers[id])
		for e.ID == "" {
			e = next(t, readers[id])
		}
		if e.ID != want {
			t.Errorf("%s is told %q, want %q", id, e.ID, want)
		}
	}
	ended(t, readers["j2"], nil)
	if err := <-awaited; err != nil {
		t.Errorf("await: %v", err)
	}
}

// TestOpeningEndsWithItsCaller holds back what NATS would answer to a new subscription.
func TestOpeningEndsWithItsCaller(t *testing.T) {
	t.Parallel()
	far, near, line := apart(t, still)
	near.push(t, "j1")
	why := errors.New("why")
	for name, open := range map[string]func(context.Context) (*feed.Reader, error){
		"one": func(ctx context.Context) (*feed.Reader, error) { return far.feed.Watch(ctx, []string{owner}, "j1") },
		"all": func(ctx context.Context) (*feed.Reader, error) { return far.feed.WatchOwner(ctx, owner, time.Time{}) },
	} {
		line.hold()
		ctx, cancel := context.WithCancelCause(t.Context())
		outcome := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := open(ctx)
				outcome <- err
			}()
		}
		if name == "all" {
			eventually(t, "the subscription is on its way", func() bool { return far.feed.Topics() == 1 })
		}
		cancel(why)
		for range 2 {
			if err := <-outcome; !errors.Is(err, why) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := far.feed.Topics(); got != 0 {
			t.Errorf("%s: %d topics for nobody", name, got)
		}
		line.release()
	}
	// The line is as it was, and the next one is served.
	expect(t, far.watchOwner(t, time.Time{}), "0.0")

	line.hold()
	outcome := make(chan error, 1)
	go func() {
		_, err := far.feed.WatchOwner(t.Context(), "u2", time.Time{})
		outcome <- err
	}()
	eventually(t, "the subscription is on its way", func() bool { return far.feed.Topics() == 2 })
	far.feed.Stop()
	if err := <-outcome; !errors.Is(err, feed.ErrStopped) {
		t.Errorf("at the stop: %v", err)
	}
	if got := far.feed.Topics(); got != 0 {
		t.Errorf("%d topics after the stop", got)
	}
	line.release()
}

// TestOpeningOutlivesTheFirstCaller shows that who made the subscription may go while others wait for it.
func TestOpeningOutlivesTheFirstCaller(t *testing.T) {
	t.Parallel()
	far, near, line := apart(t, still)
	near.push(t, "j1")
	line.hold()
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := far.feed.WatchOwner(ctx, owner, time.Time{})
		first <- err
	}()
	eventually(t, "the subscription is on its way", func() bool { return far.feed.Topics() == 1 })
	second := make(chan *feed.Reader, 1)
	go func() {
		reader, err := far.feed.WatchOwner(t.Context(), owner, time.Time{})
		if err != nil {
			t.Errorf("the second: %v", err)
		}
		second <- reader
	}()
	eventually(t, "the second waits", func() bool { return far.feed.Waiting() == 2 })
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	line.release()
	if reader := <-second; reader != nil {
		defer reader.Close()
		expect(t, reader, "0.0")
	}
}
