package queue_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// scan scans the whole queue and returns the jobs found.
func scan(t *testing.T, q *queue.Queue, from uint64) (found map[uint64]time.Time, next uint64, parts int) {
	t.Helper()
	found = map[uint64]time.Time{}
	var last uint64
	for more := true; more; parts++ {
		var err error
		from, more, err = q.Scan(t.Context(), from, math.MaxUint64, func(sequence uint64, deadline time.Time) {
			if sequence <= last {
				t.Errorf("sequence %d after %d", sequence, last)
			}
			last, found[sequence] = sequence, deadline
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found, from, parts
}

func TestScan(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	if found, next, _ := scan(t, q, 0); len(found) != 0 || next != 1 {
		t.Errorf("an empty queue has %v, next %d", found, next)
	}
	const jobs = 2000
	want := map[uint64]time.Time{}
	var first uint64
	for i := range jobs {
		s := spec(job.Kinds()[i%4], job.Lanes()[i%2], "u1", fmt.Sprintf("j%d", i))
		s.Deadline = job.At(time.Now().Add(time.Duration(i) * time.Second))
		sequence := push(t, q, s).Sequence
		want[sequence] = s.Deadline.Time
		if i == 0 {
			first = sequence
		}
	}
	// Jobs that have left the queue are not found, and gaps do not end the scan.
	for i := uint64(1); i <= jobs; i++ {
		if i < 100 || i%7 == 0 || i > 600 && i < 900 {
			if err := q.Delete(t.Context(), first+i-1); err != nil {
				t.Fatal(err)
			}
			delete(want, first+i-1)
		}
	}
	found, next, parts := scan(t, q, 0)
	if len(found) != len(want) || next != first+jobs || parts < 2 {
		t.Errorf("%d found of %d, next %d, in %d parts", len(found), len(want), next, parts)
	}
	for sequence, deadline := range want {
		if !found[sequence].Equal(deadline) {
			t.Errorf("%d: %s, want %s", sequence, found[sequence], deadline)
		}
	}
	part := map[uint64]bool{}
	from, to := first+400, first+950
	for at, more := from, true; more; {
		var err error
		at, more, err = q.Scan(t.Context(), at, to, func(sequence uint64, _ time.Time) { part[sequence] = true })
		if err != nil || at > to+1 {
			t.Fatalf("next %d, %v", at, err)
		}
	}
	for sequence := range want {
		if part[sequence] != (sequence >= from && sequence <= to) {
			t.Errorf("%d found in the part from %d to %d: %t", sequence, from, to, part[sequence])
		}
	}
	if next, more, err := q.Scan(t.Context(), first+601, first+700, func(uint64, time.Time) { t.Error("found a job that has left") }); err != nil || more {
		t.Errorf("next %d, more %t, %v", next, more, err)
	}
	if found, again, _ := scan(t, q, next); len(found) != 0 || again != next {
		t.Errorf("a second scan finds %v, next %d", found, again)
	}
	receipt := push(t, q, image("late"))
	if found, _, _ := scan(t, q, next); len(found) != 1 || found[receipt.Sequence].IsZero() {
		t.Errorf("a third scan finds %v", found)
	}
}

func TestScanSkipsUnreadable(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	for name, body := range map[string]string{"newer": `{"v":3,"deadline":7}`, "garbage": "{", "empty": "", "endless": `{"v":1}`} {
		subject := broker.JobSubject(job.KindImage, job.LaneMember, "u1", name)
		ack, err := b.JetStream().Publish(t.Context(), subject, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := q.At(t.Context(), ack.Sequence); !errors.Is(err, queue.ErrUnreadable) || errors.Is(err, job.ErrNewer) != (name == "newer") {
			t.Errorf("at %s: %v", name, err)
		}
	}
	receipt := push(t, q, image("j1"))
	if found, next, _ := scan(t, q, 1); len(found) != 1 || found[receipt.Sequence].IsZero() || next != receipt.Sequence+1 {
		t.Errorf("found %v, next %d", found, next)
	}
}

func TestAt(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	s := image("j1")
	receipt := push(t, q, s)
	e, err := q.At(t.Context(), receipt.Sequence)
	if err != nil || e.Sequence != receipt.Sequence || e.Spec.ID != s.ID || !e.Spec.Deadline.Equal(s.Deadline.Time) {
		t.Errorf("%+v, %v", e, err)
	}
	if err := q.Delete(t.Context(), receipt.Sequence); err != nil {
		t.Fatal(err)
	}
	for _, sequence := range []uint64{receipt.Sequence, receipt.Sequence + 1} {
		if e, err := q.At(t.Context(), sequence); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("at %d: %+v, %v", sequence, e, err)
		}
	}
}

func TestExtent(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	extent := func() queue.Extent {
		t.Helper()
		e, err := q.Extent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	empty := extent()
	if empty.Jobs != 0 || empty.First != empty.Last+1 {
		t.Errorf("empty: %+v", empty)
	}
	pushMany(t, q, 3)
	before := extent()
	if before.Jobs != 3 || before.First != empty.First || before.Last != empty.First+2 || before.Created.IsZero() {
		t.Errorf("with three jobs: %+v", before)
	}
	if err := q.Delete(t.Context(), empty.First); err != nil {
		t.Fatal(err)
	}
	if e := extent(); e.Jobs != 2 || e.First != empty.First+1 || e.Last != empty.First+2 || !e.Created.Equal(before.Created) {
		t.Errorf("without the first: %+v", e)
	}
	stream, err := b.JetStream().Stream(t.Context(), broker.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.JetStream().DeleteStream(t.Context(), broker.StreamJobs); err != nil {
		t.Fatal(err)
	}
	if e, err := q.Extent(t.Context()); err == nil {
		t.Errorf("without a stream: %+v", e)
	}
	if _, err := b.JetStream().CreateStream(t.Context(), stream.CachedInfo().Config); err != nil {
		t.Fatal(err)
	}
	if e := extent(); e.Created.Equal(before.Created) || e.Jobs != 0 {
		t.Errorf("recreated: %+v", e)
	}
}

func TestScanWithoutNATS(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	b.Conn().Close()
	if _, _, err := q.Scan(t.Context(), 1, math.MaxUint64, func(uint64, time.Time) { t.Error("found a job") }); err == nil {
		t.Error("the scan succeeds")
	}
}
