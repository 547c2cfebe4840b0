package jobs_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/jobs"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func TestReadInEachState(t *testing.T) {
	t.Parallel()
	r := start(t)
	for status, arrange := range map[job.Status]func(*job.Spec){
		job.StatusQueued:    func(*job.Spec) {},
		job.StatusRunning:   func(s *job.Spec) { r.progress(t, s, job.StatusRunning) },
		job.StatusRetrying:  func(s *job.Spec) { r.progress(t, s, job.StatusRetrying) },
		job.StatusSucceeded: func(s *job.Spec) { r.finish(t, s) },
		// The record takes precedence although the message and the progress still exist.
		job.StatusFailed: func(s *job.Spec) {
			r.progress(t, s, job.StatusRunning)
			r.record(t, s, job.StatusFailed)
		},
	} {
		spec := r.submit(t)
		arrange(spec)
		snap := r.read(t, spec)
		if snap.Status() != status || snap.Spec.ID != spec.ID || (snap.Sequence == 0) != status.Terminal() {
			t.Errorf("%s: %+v", status, snap)
		}
		if _, err := r.Read(t.Context(), []string{"u2", "guest"}, spec.ID); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("%s, for another owner: %v", status, err)
		}
	}
}

func TestReadTriesOwnersInOrder(t *testing.T) {
	t.Parallel()
	r := start(t)
	id, created := newID(t)
	for _, owner := range []string{"g-1", "guest"} {
		r.submitSpec(t, specOf(owner, id, created))
	}
	for want, owners := range map[string][]string{
		"g-1": {"u1", "g-1", "guest"}, "guest": {"u1", "guest", "g-1"},
	} {
		snap, err := r.Read(t.Context(), owners, id)
		if err != nil || snap.Spec.Owner != want {
			t.Errorf("%v: %+v, %v", owners, snap, err)
		}
	}
	if _, err := r.Read(t.Context(), nil, id); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("without owners: %v", err)
	}
}

func TestBadIDsAreNotFound(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.submit(t)
	owners := []string{"u1"}
	for _, id := range []string{"", "*", ">", "a.b", "..", "a b", "ä", "\x00", strings.Repeat("a", 65), "missing"} {
		_, readErr := r.Read(t.Context(), owners, id)
		_, cancelErr := r.Cancel(t.Context(), owners, id)
		for name, err := range map[string]error{"read": readErr, "cancel": cancelErr, "delete": r.Delete(t.Context(), owners, id)} {
			if !errors.Is(err, jobs.ErrNotFound) {
				t.Errorf("%s %q: %v", name, id, err)
			}
		}
	}
}

// TestExpireAtRead reads a job whose deadline has passed without a worker.
func TestExpireAtRead(t *testing.T) {
	t.Parallel()
	r := start(t)
	for name, progress := range map[string]job.Status{"queued": "", "running": job.StatusRunning, "retrying": job.StatusRetrying} {
		spec := fresh(t, "u1")
		spec.Deadline = job.At(time.Now().Add(-time.Second))
		r.submitSpec(t, spec)
		if progress != "" {
			r.progress(t, spec, progress)
		}
		snap := r.read(t, spec)
		if snap.Status() != job.StatusFailed || snap.Record.Error.Code != job.CodeDeadline || snap.Record.FinishedAt.IsZero() {
			t.Fatalf("%s: %+v", name, snap.Record)
		}
		if cause := snap.Record.Error.Cause; (cause == job.CodeThrottled) != (progress == job.StatusRetrying) {
			t.Errorf("%s: because of %q", name, cause)
		}
		if progress != "" && (snap.Record.Attempt != 1 || snap.Record.Failures != 1 || snap.Record.StartedAt == nil) {
			t.Errorf("%s: the counts are lost: %+v", name, snap.Record)
		}
		if r.queued(t, spec) {
			t.Errorf("%s: still in the queue", name)
		}
		// Nobody waits for its removal.
		eventually(t, name+": the progress is removed", func() bool {
			_, _, err := r.store.ProgressLeader(t.Context(), "u1", spec.ID)
			return errors.Is(err, store.ErrNotFound)
		})
		msg, err := broker.LeaderLast(t.Context(), r.broker.JetStream(), broker.StreamDead, broker.DeadSubject(spec.Kind, "u1", spec.ID))
		if err != nil {
			t.Fatalf("%s: dead letter: %v", name, err)
		}
		if d, err := job.DecodeDeadLetter(msg.Data); err != nil || d.Error.Code != job.CodeDeadline {
			t.Errorf("%s: dead letter %+v, %v", name, d, err)
		}
		if again := r.read(t, spec); !again.Record.FinishedAt.Equal(snap.Record.FinishedAt.Time) {
			t.Errorf("%s: ended twice", name)
		}
	}
	// A job that has ended does not expire.
	spec := fresh(t, "u1")
	spec.Deadline = job.At(time.Now().Add(-time.Second))
	r.submitSpec(t, spec)
	r.finish(t, spec)
	if got := r.read(t, spec).Status(); got != job.StatusSucceeded {
		t.Errorf("an ended job became %s", got)
	}
}

// TestReadsWhileNothingCanBeStored reads and lists a job past its deadline while the store is full. It ends when there is room.
func TestReadsWhileNothingCanBeStored(t *testing.T) {
	t.Parallel()
	r := start(t, func(c *broker.Config) { c.MaxStoreMB = 1 })
	spec := fresh(t, "u1")
	spec.Deadline = job.At(time.Now().Add(-time.Second))
	r.submitSpec(t, spec)
	js := r.broker.JetStream()
	var full error
	for n := 0; n < 100 && full == nil; n++ {
		_, full = js.Publish(t.Context(), broker.DeadSubject(job.KindImage, "other", strconv.Itoa(n)), make([]byte, 64<<10))
	}
	if !broker.NoRoom(full) {
		t.Fatalf("the store does not fill: %v", full)
	}
	if snap := r.read(t, spec); snap.Record != nil || snap.Spec.ID != spec.ID {
		t.Errorf("read %+v", snap)
	}
	page, err := r.List(t.Context(), []string{"u1"}, jobs.Filter{Limit: 10})
	if err != nil || len(page.Jobs) != 1 || page.Jobs[0].Record != nil {
		t.Errorf("listed %+v, %v", page, err)
	}
	if _, err := r.Cancel(t.Context(), []string{"u1"}, spec.ID); !errors.Is(err, store.ErrFull) {
		t.Errorf("canceled: %v", err)
	}
	dead, err := js.Stream(t.Context(), broker.StreamDead)
	if err == nil {
		err = dead.Purge(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if snap := r.read(t, spec); snap.Status() != job.StatusFailed {
		t.Errorf("with room, read %+v", snap)
	}
}
