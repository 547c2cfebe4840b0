package feed_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/api/feed"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func queued(id string) *job.Snapshot { return &job.Snapshot{Spec: &job.Spec{ID: id}} }

func running(id string, delivery, step uint64) *job.Snapshot {
	snap := queued(id)
	snap.Progress = &job.Progress{Status: job.StatusRunning, Delivery: delivery, Step: step}
	return snap
}

func finished(id string) *job.Snapshot {
	snap := queued(id)
	snap.Record = &job.Record{Spec: snap.Spec, Status: job.StatusSucceeded}
	return snap
}

func TestTrackerRecord(t *testing.T) {
	t.Parallel()
	known := feed.NewTracker()
	for i, step := range []struct {
		snap *job.Snapshot
		news bool
	}{
		{queued("j1"), true},
		{queued("j1"), false},
		{queued("j2"), true},
		{running("j1", 1, 1), true},
		{running("j1", 1, 1), false},
		{queued("j1"), false},
		{finished("j1"), true},
		{finished("j1"), false},
		{running("j1", 2, 1), false},
		{queued("j1"), false},
		{finished("j3"), true},
		{running("j2", 1, 1), true},
	} {
		if news := known.Record(step.snap); news != step.news {
			t.Errorf("step %d, %s %s: news %t", i, step.snap.Spec.ID, step.snap.EventID(), news)
		}
	}
	// Terminal events are kept for a while, so a sweep right after the end does not drop them.
	known.Sweep(time.Now())
	if known.Record(running("j1", 3, 1)) || known.Record(finished("j3")) {
		t.Error("an end is forgotten too early")
	}
}

func TestTrackerSetPosition(t *testing.T) {
	t.Parallel()
	known := feed.NewTracker()
	known.Record(queued("j1"))
	for i, step := range []struct {
		ahead int
		news  bool
	}{{0, true}, {0, false}, {1, true}, {0, true}} {
		if news := known.SetPosition("j1", step.ahead); news != step.news {
			t.Errorf("step %d, position %d: news %t", i, step.ahead, news)
		}
	}
	known.Record(running("j1", 1, 1))
	if got := known.Size(); got != 1 {
		t.Errorf("%d entries for a running job", got)
	}
}

func TestTrackerForget(t *testing.T) {
	t.Parallel()
	known := feed.NewTracker()
	for round := range 50 {
		for i := range 100 {
			id := fmt.Sprintf("j%d-%d", round, i)
			known.Record(queued(id))
			known.SetPosition(id, i)
			switch i % 3 {
			case 0:
				known.Record(finished(id))
			case 1:
				known.Record(running(id, 1, 1))
				known.Record(finished(id))
			default:
				known.Forget(id)
			}
		}
	}
	known.Sweep(time.Now().Add(2 * time.Minute))
	if got := known.Size(); got != 0 {
		t.Errorf("%d entries left", got)
	}
}

// TestTrackerIgnoresOlderReads records states that were read before a later delivery was recorded, and after.
func TestTrackerIgnoresOlderReads(t *testing.T) {
	t.Parallel()
	before := time.Now()
	known := feed.NewTracker()
	known.Record(running("j1", 3, 1))
	after := time.Now().Add(time.Millisecond)
	for i, step := range []struct {
		snap *job.Snapshot
		asOf time.Time
		news bool
	}{
		{running("j1", 2, 9), before, false},
		{queued("j1"), before, false},
		{running("j1", 3, 2), before, true},
		{running("j1", 4, 1), before, true},
		// The broker may lose part of its count in a crash.
		{running("j1", 2, 1), after, true},
		{finished("j1"), before, true},
	} {
		if news := known.RecordAsOf(step.snap, step.asOf); news != step.news {
			t.Errorf("step %d, %s: news %t", i, step.snap.EventID(), news)
		}
	}
}
