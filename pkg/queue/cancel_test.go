package queue_test

import (
	"slices"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func TestOnCancel(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	first, second := make(chan string, 10), make(chan string, 10)
	stop, err := q.OnCancel(func(id string) { first <- id })
	if err != nil {
		t.Fatal(err)
	}
	stopSecond, err := q.OnCancel(func(id string) { second <- id })
	if err != nil {
		t.Fatal(err)
	}
	defer stopSecond()
	announce := func(id string) {
		t.Helper()
		if err := q.AnnounceCancel(id); err != nil {
			t.Fatal(err)
		}
	}
	announce("j1")
	for _, heard := range []chan string{first, second} {
		if id := receive(t, heard); id != "j1" {
			t.Errorf("notified of %s", id)
		}
	}
	stop()
	announce("j2")
	if id := receive(t, second); id != "j2" {
		t.Errorf("notified of %s", id)
	}
	if len(first) != 0 {
		t.Errorf("notified of %s after stop", <-first)
	}
}

func receive(t *testing.T, c <-chan string) string {
	t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(hang):
		t.Fatal("not notified")
		return ""
	}
}

func TestOwnerIDs(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	if got, err := q.OwnerIDs(t.Context(), "u1"); err != nil || len(got) != 0 {
		t.Errorf("of an unknown owner: %v, %v", got, err)
	}
	if n, err := q.OwnerCount(t.Context(), "u1"); err != nil || n != 0 {
		t.Errorf("counted %d of an unknown owner, %v", n, err)
	}
	pushMany(t, q, 2)
	push(t, q, spec(job.KindAudio, job.LaneGuest, "u1", "a1"))
	push(t, q, spec(job.KindAudio, job.LaneGuest, "u2", "a2"))
	pull(t, images(t, q))
	got, err := q.OwnerIDs(t.Context(), "u1")
	slices.Sort(got)
	if err != nil || !slices.Equal(got, []string{"a1", "j0", "j1"}) {
		t.Errorf("%v, %v", got, err)
	}
	if n, err := q.OwnerCount(t.Context(), "u1"); err != nil || n != 3 {
		t.Errorf("counted %d, %v", n, err)
	}
}
