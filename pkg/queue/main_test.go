package queue_test

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(brokertest.Main(m, 4)) }

// hang is the timeout of operations that normally take moments.
const hang = 2 * time.Minute

func on(t testing.TB, b *broker.Broker) *queue.Queue {
	t.Helper()
	q, err := queue.New(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func start(t testing.TB, options ...func(*broker.Config)) (*queue.Queue, *broker.Broker) {
	t.Helper()
	b := brokertest.Start(t, options...)
	return on(t, b), b
}

func spec(kind job.Kind, lane job.Lane, owner, id string) *job.Spec {
	in, err := job.NewInput(kind)
	if err != nil {
		panic(err)
	}
	now := time.Now()
	return &job.Spec{
		ID: id, Kind: kind, Lane: lane, Owner: owner, Input: in, CreatedAt: job.At(now), Deadline: job.At(now.Add(time.Hour)),
		MaxAttempts: 8, Fingerprint: "f-" + id,
	}
}

// image returns the spec of a member's image job.
func image(id string) *job.Spec { return spec(job.KindImage, job.LaneMember, "u1", id) }

func push(t testing.TB, q *queue.Queue, s *job.Spec) queue.Receipt {
	t.Helper()
	receipt, err := q.Push(t.Context(), s, false)
	if err != nil {
		t.Fatalf("push %s: %v", s.ID, err)
	}
	return receipt
}

func pushMany(t testing.TB, q *queue.Queue, n int) {
	t.Helper()
	for i := range n {
		push(t, q, image(fmt.Sprintf("j%d", i)))
	}
}

// slot is one slot of a worker on one lane.
type slot struct {
	lane   *queue.Lane
	puller *queue.Puller
}

func (s slot) Pull(wait time.Duration) (*queue.Delivery, error) { return s.puller.Pull(s.lane, wait) }

func lane(t testing.TB, q *queue.Queue, kind job.Kind, name job.Lane) slot {
	t.Helper()
	l, err := q.Lane(t.Context(), kind, name)
	if err != nil {
		t.Fatal(err)
	}
	puller, err := q.Puller()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(puller.Close)
	return slot{l, puller}
}

func images(t testing.TB, q *queue.Queue) slot {
	t.Helper()
	return lane(t, q, job.KindImage, job.LaneMember)
}

// pull waits for a job.
func pull(t testing.TB, l slot) *queue.Delivery {
	t.Helper()
	d, err := l.Pull(hang)
	if err != nil {
		t.Fatalf("pull: %v", err)
	}
	if d == nil {
		t.Fatal("no job")
	}
	return d
}

// nothing checks that no job can be pulled now.
func nothing(t testing.TB, l slot) {
	t.Helper()
	d, err := l.Pull(0)
	if err != nil {
		t.Fatalf("pull: %v", err)
	}
	if d != nil {
		t.Fatalf("pulled %s, want no job", d.ID)
	}
}
