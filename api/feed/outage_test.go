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

// TestReadersSurviveOutage disconnects the feed for two seconds, in which jobs start, end and are submitted. The feed rereads them
// when it is connected again, even if no periodic reread is due.
func TestReadersSurviveOutage(t *testing.T) {
	t.Parallel()
	for name, reread := range map[string]time.Duration{"periodic reread": 200 * time.Millisecond, "reread after the outage": time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			surviveOutage(t, reread)
		})
	}
}

func surviveOutage(t *testing.T, reread time.Duration) {
	t.Helper()
	far, near, proxy := startRemote(t, feed.Config{Tick: 100 * time.Millisecond, Reread: reread})
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
	awaited, started := make(chan error, 1), make(chan struct{})
	start := sync.OnceFunc(func() { close(started) })
	go func() {
		snap, err := far.feed.Await(t.Context(), []string{owner}, "j2", func(s *job.Snapshot) bool {
			start()
			return s.Record != nil
		})
		if err == nil && snap.Record == nil {
			err = errors.New("the job has not ended")
		}
		awaited <- err
	}()
	<-started

	proxy.cut()
	eventually(t, "the feed is disconnected", func() bool { return !far.broker.Conn().IsConnected() })
	outage := time.NewTimer(2 * time.Second)
	near.put(t, runs, 1, 1)
	near.settle(t, ends)
	near.push(t, "j4")
	<-outage.C
	proxy.restore()

	states := map[string]string{}
	for len(states) < 3 {
		// The reread finds states whose event was lost. Ticks may arrive in between.
		if e := next(t, all); e.ID != "" {
			states[e.Job.ID] += e.ID + " "
		}
	}
	if want := "map[j1:1.1  j2:end  j4:0.0 ]"; fmt.Sprint(states) != want {
		t.Errorf("after the outage %v, want %s", states, want)
	}
	// The subscriptions are restored.
	near.put(t, later, 1, 1)
	for id, want := range map[string]string{"j1": "1.1", "j2": "end", "j3": "1.1"} {
		e := next(t, readers[id])
		for e.ID == "" {
			e = next(t, readers[id])
		}
		if e.ID != want {
			t.Errorf("%s: event %q, want %q", id, e.ID, want)
		}
	}
	expectEnd(t, readers["j2"], nil)
	if err := <-awaited; err != nil {
		t.Errorf("await: %v", err)
	}
}

// TestOpenEndsWithContext opens readers while NATS does not confirm subscriptions.
func TestOpenEndsWithContext(t *testing.T) {
	t.Parallel()
	far, near, proxy := startRemote(t, noRereads)
	near.push(t, "j1")
	cause := errors.New("cause")
	for name, open := range map[string]func(context.Context) (*feed.Reader, error){
		"one": func(ctx context.Context) (*feed.Reader, error) { return far.feed.Watch(ctx, []string{owner}, "j1") },
		"all": func(ctx context.Context) (*feed.Reader, error) {
			return far.feed.WatchOwners(ctx, []string{owner}, time.Time{})
		},
	} {
		proxy.pause()
		ctx, cancel := context.WithCancelCause(t.Context())
		outcome := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := open(ctx)
				outcome <- err
			}()
		}
		if name == "all" {
			eventually(t, "the hub exists", func() bool { return far.feed.Hubs() == 1 })
		}
		cancel(cause)
		for range 2 {
			if err := <-outcome; !errors.Is(err, cause) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := far.feed.Hubs(); got != 0 {
			t.Errorf("%s: %d hubs without readers", name, got)
		}
		proxy.resume()
	}
	// The next reader opens.
	expect(t, far.watchOwner(t, time.Time{}), "0.0")

	proxy.pause()
	outcome := make(chan error, 1)
	go func() {
		_, err := far.feed.WatchOwners(t.Context(), []string{"u2"}, time.Time{})
		outcome <- err
	}()
	eventually(t, "the hub exists", func() bool { return far.feed.Hubs() == 2 })
	far.feed.Stop()
	if err := <-outcome; !errors.Is(err, feed.ErrStopped) {
		t.Errorf("during the stop: %v", err)
	}
	if got := far.feed.Hubs(); got != 0 {
		t.Errorf("%d hubs after the stop", got)
	}
	proxy.resume()
}

// TestOpenOutlivesFirstCaller cancels the caller that created a hub while another one waits for its subscription.
func TestOpenOutlivesFirstCaller(t *testing.T) {
	t.Parallel()
	far, near, proxy := startRemote(t, noRereads)
	near.push(t, "j1")
	proxy.pause()
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := far.feed.WatchOwners(ctx, []string{owner}, time.Time{})
		first <- err
	}()
	eventually(t, "the hub exists", func() bool { return far.feed.Hubs() == 1 })
	second := make(chan *feed.Reader, 1)
	go func() {
		reader, err := far.feed.WatchOwners(t.Context(), []string{owner}, time.Time{})
		if err != nil {
			t.Errorf("the second: %v", err)
		}
		second <- reader
	}()
	eventually(t, "the second waits", func() bool { return far.feed.References() == 2 })
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("the first: %v", err)
	}
	proxy.resume()
	if reader := <-second; reader != nil {
		defer reader.Close()
		expect(t, reader, "0.0")
	}
}
