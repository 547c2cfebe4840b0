package store_test

import (
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func equal(t *testing.T, a, b any) bool {
	t.Helper()
	left, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	right, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(left) == string(right)
}

func TestRecord(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	_, err := s.Record(t.Context(), "u1", "j1")
	missing(t, "before", err)
	_, err = s.RecordLeader(t.Context(), "u1", "j1")
	missing(t, "before, from the leader", err)
	want := succeeded("j1")
	create(t, s, want)
	for name, read := range map[string]func() (*job.Record, error){
		"any":    func() (*job.Record, error) { return s.Record(t.Context(), "u1", "j1") },
		"leader": func() (*job.Record, error) { return s.RecordLeader(t.Context(), "u1", "j1") },
	} {
		if got, err := read(); err != nil || !equal(t, got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	_, err = s.Record(t.Context(), "u2", "j1")
	missing(t, "of another owner", err)
	if final, won, err := s.PutRecord(t.Context(), failed("j1")); err != nil || won || !equal(t, final, want) {
		t.Errorf("a second record: %+v, won %t, %v", final, won, err)
	}
	if got, err := s.RecordLeader(t.Context(), "u1", "j1"); err != nil || !equal(t, got, want) {
		t.Errorf("after a refused write: %+v, %v", got, err)
	}
}

// TestOneRecordWins has many writers end the same job concurrently.
func TestOneRecordWins(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	sub := events(t, b)
	const writers = 100
	var won atomic.Int32
	var winner atomic.Pointer[job.Record]
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			r := failed("j1")
			r.Attempt = i + 1
			_, first, err := s.PutRecord(t.Context(), r)
			if err != nil {
				t.Errorf("writer %d: %v", i, err)
			}
			if first {
				won.Add(1)
				winner.Store(r)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d writers won", won.Load())
	}
	got, err := s.RecordLeader(t.Context(), "u1", "j1")
	if err != nil || !equal(t, got, winner.Load()) {
		t.Errorf("stored %+v, %v; the winner wrote %+v", got, err, winner.Load())
	}
	// Exactly one event: refused writes cause none. The record after it ends the wait.
	create(t, s, succeeded("j2"))
	if msg := next(t, sub); msg.Subject != "events.result.u1.j1" {
		t.Errorf("event %s", msg.Subject)
	}
	if msg := next(t, sub); msg.Subject != "events.result.u1.j2" {
		t.Errorf("a second event of the same job, or another one: %s", msg.Subject)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	sub := events(t, b)
	queued, err := spec("j1").Encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.JetStream().Publish(t.Context(), broker.JobSubject(job.KindImage, job.LaneMember, "u1", "j1"), queued); err != nil {
		t.Fatal(err)
	}
	progress := &job.Progress{ID: "j1", Status: job.StatusRunning, Delivery: 1, Step: 1}
	if _, err := s.PutProgress(t.Context(), "u1", progress, 0); err != nil {
		t.Fatal(err)
	}
	// None of these causes an event: a refused progress, media, a dead letter, a purge.
	if _, err := s.PutProgress(t.Context(), "u1", progress, 0); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	if _, err := s.PutMedia(t.Context(), "u1", "j1", job.Media{}, []byte("image")); err != nil {
		t.Fatal(err)
	}
	if err := s.PutDeadLetter(t.Context(), &job.DeadLetter{Spec: spec("j1"), Error: job.NewError(job.CodeUnavailable, 502)}); err != nil {
		t.Fatal(err)
	}
	create(t, s, succeeded("j1"))
	for _, want := range []string{"events.queued.u1.j1", "events.progress.u1.j1", "events.result.u1.j1"} {
		msg := next(t, sub)
		if msg.Subject != want || len(msg.Data) == 0 || msg.Header.Get("Nats-Sequence") == "" {
			t.Errorf("event %s with %d bytes and headers %v, want %s", msg.Subject, len(msg.Data), msg.Header, want)
		}
	}
	if err := s.Delete(t.Context(), "u1", "j1", false); err != nil {
		t.Fatal(err)
	}
	create(t, s, succeeded("j2"))
	for {
		msg := next(t, sub)
		if msg.Subject == "events.result.u1.j2" {
			break
		}
		if len(msg.Data) > 0 {
			t.Errorf("event %s with data after a delete", msg.Subject)
		}
	}
}

func TestRecordOfANewerVersion(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	if _, err := b.JetStream().Publish(t.Context(), broker.RecordSubject("u1", "j1"), []byte(`{"v":2}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Record(t.Context(), "u1", "j1"); !errors.Is(err, job.ErrNewer) {
		t.Errorf("%v", err)
	}
	if _, _, err := s.PutRecord(t.Context(), succeeded("j1")); !errors.Is(err, job.ErrNewer) {
		t.Errorf("%v", err)
	}
}
