package queue_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

func TestPushFindDelete(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	s := image("j1")
	receipt := push(t, q, s)
	if receipt.Sequence == 0 || receipt.AlreadyThere || receipt.Repeated {
		t.Errorf("%+v", receipt)
	}
	finds := map[string]func(context.Context, string, string) (*queue.Entry, error){"find": q.Find, "leader": q.FindLeader}
	for name, find := range finds {
		entry, err := find(t.Context(), "u1", "j1")
		if err != nil || entry.Sequence != receipt.Sequence || !reflect.DeepEqual(entry.Spec, s) {
			t.Errorf("%s: %+v, %v", name, entry, err)
		}
		for _, other := range [][2]string{{"u2", "j1"}, {"u1", "j2"}} {
			if _, err := find(t.Context(), other[0], other[1]); !errors.Is(err, queue.ErrNotFound) {
				t.Errorf("%s %v: %v", name, other, err)
			}
		}
	}
	// Deleting a job that is not in the queue is no error.
	for _, sequence := range []uint64{receipt.Sequence, receipt.Sequence, 4711} {
		if err := q.Delete(t.Context(), sequence); err != nil {
			t.Errorf("delete %d: %v", sequence, err)
		}
	}
	for name, find := range finds {
		if _, err := find(t.Context(), "u1", "j1"); !errors.Is(err, queue.ErrNotFound) {
			t.Errorf("%s after the delete: %v", name, err)
		}
	}
	nothing(t, images(t, q))
}

func TestDeleteFails(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	push(t, q, image("j1"))
	if err := b.JetStream().DeleteStream(t.Context(), broker.StreamJobs); err != nil {
		t.Fatal(err)
	}
	if err := q.Delete(t.Context(), 1); err == nil {
		t.Error("deleted from a missing stream")
	}
}

func TestKeyedPush(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	first, err := q.Push(t.Context(), image("k1"), true)
	if err != nil || first.AlreadyThere || first.Sequence == 0 {
		t.Fatalf("%+v, %v", first, err)
	}
	for name, s := range map[string]*job.Spec{
		"the same":     image("k1"),
		"another kind": spec(job.KindAudio, job.LaneMember, "u1", "k1"),
		"another lane": spec(job.KindImage, job.LaneGuest, "u1", "k1"),
	} {
		receipt, err := q.Push(t.Context(), s, true)
		if err != nil || !receipt.AlreadyThere || receipt.Repeated || receipt.Sequence != 0 {
			t.Errorf("%s: %+v, %v", name, receipt, err)
		}
	}
	if receipt, err := q.Push(t.Context(), spec(job.KindImage, job.LaneMember, "u2", "k1"), true); err != nil || receipt.AlreadyThere {
		t.Errorf("another owner: %+v, %v", receipt, err)
	}
	if n := depth(t, b); n != 2 {
		t.Errorf("%d messages in the queue", n)
	}
	// Once the job has left the queue, it can be pushed again; package jobs handles the rest.
	if err := q.Delete(t.Context(), first.Sequence); err != nil {
		t.Fatal(err)
	}
	if receipt, err := q.Push(t.Context(), image("k1"), true); err != nil || receipt.AlreadyThere {
		t.Errorf("after the job has left: %+v, %v", receipt, err)
	}
}

func TestConcurrentKeyedPushes(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	var stored atomic.Int32
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			receipt, err := q.Push(t.Context(), image("k1"), true)
			if err != nil {
				t.Errorf("push: %v", err)
			} else if !receipt.AlreadyThere {
				stored.Add(1)
			}
		})
	}
	wg.Wait()
	if stored.Load() != 1 || depth(t, b) != 1 {
		t.Errorf("stored %d times, %d messages", stored.Load(), depth(t, b))
	}
}

func TestPushToAFullQueue(t *testing.T) {
	t.Parallel()
	q, b := start(t, func(c *broker.Config) { c.MaxQueuedJobs = 2 })
	pushMany(t, q, 2)
	for _, keyed := range []bool{false, true} {
		receipt, err := q.Push(t.Context(), image("more"), keyed)
		if !errors.Is(err, queue.ErrFull) || errors.Is(err, queue.ErrUnavailable) {
			t.Errorf("keyed %t: %+v, %v", keyed, receipt, err)
		}
	}
	if receipt, err := q.Push(t.Context(), image("j0"), true); err != nil || !receipt.AlreadyThere {
		t.Errorf("a replay to a full queue: %+v, %v", receipt, err)
	}
	// A delivered job counts as well; a removed one does not.
	d := pull(t, images(t, q))
	if _, err := q.Push(t.Context(), image("more"), false); !errors.Is(err, queue.ErrFull) {
		t.Errorf("with a delivered job: %v", err)
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	push(t, q, image("more"))
	if n := depth(t, b); n != 2 {
		t.Errorf("%d messages", n)
	}
}

func TestPushWithoutNATS(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	b.Conn().Close()
	if _, err := q.Push(t.Context(), image("j1"), false); !errors.Is(err, queue.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

// TestPushWhoseAnswerIsLost cuts the connection when the broker acknowledges: the job is stored, but the answer is lost.
func TestPushWhoseAnswerIsLost(t *testing.T) {
	t.Parallel()
	for name, keyed := range map[string]bool{"plain": false, "keyed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			near := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
			cut := brokertest.NewCutter(t, strings.TrimPrefix(near.ClientURL(), "nats://"))
			far := brokertest.Start(t, func(c *broker.Config) { c.URL, c.Follower = env.Secret("nats://"+cut.Addr), true })
			q := on(t, far)
			cut.Armed.Store(true)
			receipt, err := q.Push(t.Context(), image("j1"), keyed)
			if err != nil || !receipt.Repeated || !receipt.AlreadyThere {
				t.Errorf("%+v, %v", receipt, err)
			}
			if cut.Armed.Load() {
				t.Error("no acknowledgement was cut off")
			}
			if n := depth(t, near); n != 1 {
				t.Errorf("%d messages in the queue", n)
			}
		})
	}
}

func depth(t *testing.T, b *broker.Broker) uint64 {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), broker.StreamJobs)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.Msgs
}

// TestPushWithoutRoom fills the store with results, so that a job is refused with ErrNoRoom and not ErrFull.
func TestPushWithoutRoom(t *testing.T) {
	t.Parallel()
	q, b := start(t, func(c *broker.Config) { c.MaxStoreMB = 1 })
	if err := q.Refusal(); err != nil {
		t.Errorf("before the first push: %v", err)
	}
	fill(t, b)
	for _, keyed := range []bool{false, true} {
		receipt, err := q.Push(t.Context(), image("j1"), keyed)
		if !errors.Is(err, queue.ErrNoRoom) || errors.Is(err, queue.ErrFull) || errors.Is(err, queue.ErrUnavailable) {
			t.Errorf("keyed %t: %+v, %v", keyed, receipt, err)
		}
	}
	if err := q.Refusal(); !errors.Is(err, queue.ErrNoRoom) {
		t.Errorf("no refusal: %v", err)
	}
	if err := b.JetStream().DeleteStream(t.Context(), broker.StreamDead); err != nil {
		t.Fatal(err)
	}
	push(t, q, image("j1"))
	if err := q.Refusal(); err != nil {
		t.Errorf("refusal after a successful push: %v", err)
	}
}

// fill stores dead letters until the store is full.
func fill(t *testing.T, b *broker.Broker) {
	t.Helper()
	for i := range 1000 {
		_, err := b.JetStream().Publish(t.Context(), broker.DeadSubject(job.KindImage, "o", fmt.Sprint(i)), make([]byte, 64<<10))
		if err != nil {
			if !broker.NoRoom(err) {
				t.Fatalf("fill the store: %v", err)
			}
			return
		}
	}
	t.Fatal("the store does not fill up")
}

// TestMissingStreamsAreRestored deletes the stream of jobs, which is then declared again.
func TestMissingStreamsAreRestored(t *testing.T) {
	t.Parallel()
	for name, notice := range map[string]func(*queue.Queue, *queue.Puller, *queue.Lane) error{
		"push": func(q *queue.Queue, _ *queue.Puller, _ *queue.Lane) error {
			_, err := q.Push(t.Context(), image("j1"), false)
			return err
		},
		"pull": func(_ *queue.Queue, p *queue.Puller, l *queue.Lane) error {
			_, err := p.Pull(l, 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, b := start(t, brokertest.ReconcileInterval(time.Hour))
			puller, err := q.Puller()
			if err != nil {
				t.Fatal(err)
			}
			defer puller.Close()
			lane, err := q.Lane(t.Context(), job.KindImage, job.LaneMember)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.JetStream().DeleteStream(t.Context(), broker.StreamJobs); err != nil {
				t.Fatal(err)
			}
			limit := time.Now().Add(hang)
			for err := notice(q, puller, lane); err != nil; err = notice(q, puller, lane) {
				if time.Now().After(limit) {
					t.Fatalf("the stream is not restored: %v", err)
				}
			}
		})
	}
}
