package queue_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

func positionOf(t *testing.T, q *queue.Queue, id string) int {
	t.Helper()
	entry, err := q.Find(t.Context(), "u1", id)
	if err != nil {
		t.Fatalf("find %s: %v", id, err)
	}
	ahead, err := position(t.Context(), q, entry)
	if err != nil {
		t.Fatalf("position of %s: %v", id, err)
	}
	return ahead
}

// position returns how many jobs start before the given one. It fails with queue.ErrNotFound.
func position(ctx context.Context, q *queue.Queue, e *queue.Entry) (int, error) {
	positions, err := q.Positions(ctx, e.Spec.Kind, e.Spec.Lane, []uint64{e.Sequence})
	if err != nil {
		return 0, err
	}
	ahead, ok := positions.Ahead[e.Sequence]
	if !ok {
		return 0, queue.ErrNotFound
	}
	return ahead, nil
}

func TestPosition(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	// Jobs of other kinds and lanes do not count.
	for i := range 5 {
		push(t, q, spec(job.KindImage, job.LaneGuest, "u1", fmt.Sprintf("guest%d", i)))
		push(t, q, image(fmt.Sprintf("j%d", i)))
		push(t, q, spec(job.KindAudio, job.LaneMember, "u1", fmt.Sprintf("audio%d", i)))
	}
	l := images(t, q)
	for delivered := range 5 {
		// The server counts a message a moment after it has acknowledged it.
		for deadline := time.Now().Add(hang); positionOf(t, q, "j4") != 4-delivered && time.Now().Before(deadline); {
			continue
		}
		for i := delivered; i < 5; i++ {
			if got := positionOf(t, q, fmt.Sprintf("j%d", i)); got != i-delivered {
				t.Errorf("after %d deliveries, j%d is at %d, want %d", delivered, i, got, i-delivered)
			}
		}
		for i := range 5 {
			if got := positionOf(t, q, fmt.Sprintf("guest%d", i)); got != i {
				t.Errorf("guest%d is at %d", i, got)
			}
		}
		d := pull(t, l)
		entry, err := q.Find(t.Context(), "u1", d.ID)
		if err != nil {
			t.Fatal(err)
		}
		// A running job has position 0.
		if got, err := position(t.Context(), q, entry); err != nil || got != 0 {
			t.Errorf("running %s is at %d, %v", d.ID, got, err)
		}
		if delivered%2 == 0 {
			// A job that waits for another attempt does not delay the others.
			if err := d.NakWithDelay(time.Hour); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err := position(t.Context(), q, entry); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("%s has left the queue and is at %d, %v", d.ID, got, err)
		}
	}
}

// TestPositionFarBackIsReused asks twice for the positions of jobs: those far back are not measured again.
func TestPositionFarBackIsReused(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	q.ReusePositions(5, time.Hour)
	pushMany(t, q, 10)
	find := func(id string) *queue.Entry {
		t.Helper()
		entry, err := q.Find(t.Context(), "u1", id)
		if err != nil {
			t.Fatal(err)
		}
		return entry
	}
	front, back := find("j4"), find("j9")
	// The server counts a message a moment after it has acknowledged it.
	for deadline := time.Now().Add(hang); time.Now().Before(deadline); {
		if n, _, err := q.Depth(t.Context(), job.KindImage, job.LaneMember); err != nil || n == 10 {
			break
		}
	}
	requests := func(e *queue.Entry, want int) uint64 {
		t.Helper()
		before := b.Conn().Stats().OutMsgs
		if got, err := position(t.Context(), q, e); err != nil || got != want {
			t.Errorf("%s is at %d, want %d: %v", e.Spec.ID, got, want, err)
		}
		return b.Conn().Stats().OutMsgs - before
	}
	if n := requests(back, 9); n != 2 {
		t.Errorf("the first position costs %d requests", n)
	}
	if n := requests(front, 4) + requests(front, 4); n != 4 {
		t.Errorf("two positions at the front cost %d requests", n)
	}
	if err := q.Delete(t.Context(), find("j5").Sequence); err != nil {
		t.Fatal(err)
	}
	// It never exceeds the number of jobs that wait.
	if n := requests(back, 8); n != 1 {
		t.Errorf("a known position costs %d requests", n)
	}
	q.ReusePositions(5, 0)
	other := find("j8")
	if n := requests(other, 7) + requests(other, 7); n != 4 {
		t.Errorf("two positions that may not be used again cost %d requests", n)
	}
}

func TestPositionOfADeletedJob(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	pushMany(t, q, 3)
	for _, id := range []string{"j0", "j2"} {
		entry, err := q.Find(t.Context(), "u1", id)
		if err != nil {
			t.Fatal(err)
		}
		if err := q.Delete(t.Context(), entry.Sequence); err != nil {
			t.Fatal(err)
		}
		if got, err := position(t.Context(), q, entry); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("%s is at %d, %v", id, got, err)
		}
	}
	if got := positionOf(t, q, "j1"); got != 0 {
		t.Errorf("the remaining job is at %d", got)
	}
}

func stateOf(t *testing.T, q *queue.Queue, kind job.Kind, name job.Lane) queue.LaneState {
	t.Helper()
	states, err := q.States(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(states) != len(job.Kinds())*len(job.Lanes()) {
		t.Errorf("%d states", len(states))
	}
	for _, s := range states {
		if s.Kind == kind && s.Lane == name {
			return s
		}
	}
	t.Fatalf("no state of %s/%s", kind, name)
	return queue.LaneState{}
}

func TestStates(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	state := func() queue.LaneState { return stateOf(t, q, job.KindImage, job.LaneMember) }
	empty := queue.LaneState{Kind: job.KindImage, Lane: job.LaneMember}
	if got := state(); got != empty {
		t.Errorf("empty: %+v", got)
	}
	push(t, q, spec(job.KindImage, job.LaneGuest, "u1", "other"))
	if got := state(); got != empty {
		t.Errorf("another lane counts: %+v", got)
	}
	<-time.After(20 * time.Millisecond)
	before := time.Now()
	push(t, q, image("j0"))
	first := time.Now()
	<-time.After(20 * time.Millisecond)
	second := time.Now()
	push(t, q, image("j1"))
	// The server counts a new message a moment after it has acknowledged it.
	for deadline := time.Now().Add(time.Minute); state().Waiting != 2 && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	if got := state(); got.Waiting != 2 || got.InFlight != 0 || got.OldestAge < time.Since(first)-time.Second ||
		got.OldestAge < second.Sub(first) || got.OldestAge > time.Since(before) {
		t.Errorf("two waiting, the older one for %s: %+v", time.Since(first), got)
	}
	d := pull(t, images(t, q))
	if got := state(); got.Waiting != 1 || got.InFlight != 1 || got.OldestAge < second.Sub(first) {
		t.Errorf("one in flight: %+v", got)
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := state()
	if got.Waiting != 1 || got.InFlight != 0 || got.OldestAge <= 0 || got.OldestAge > time.Since(second) {
		t.Errorf("only the younger one, for %s: %+v", time.Since(second), got)
	}
}
