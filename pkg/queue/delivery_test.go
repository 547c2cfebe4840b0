package queue_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

func TestPull(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	l := images(t, q)
	nothing(t, l)
	before := time.Now()
	if d, err := l.Pull(100 * time.Millisecond); d != nil || err != nil {
		t.Errorf("an empty lane returns %v, %v", d, err)
	}
	if waited := time.Since(before); waited < 50*time.Millisecond {
		t.Errorf("waited only %s", waited)
	}

	s := image("j1")
	receipt := push(t, q, s)
	// The server counts a new message a moment after acknowledging it.
	for waiting := 0; waiting == 0; {
		states, err := q.States(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, state := range states {
			waiting += state.Waiting
		}
	}
	d, err := l.Pull(0)
	if err != nil || d == nil {
		t.Fatalf("%v, %v", d, err)
	}
	if d.Kind != s.Kind || d.Lane != s.Lane || d.Owner != s.Owner || d.ID != s.ID || d.Count != 1 ||
		d.Sequence != receipt.Sequence || d.Fault != nil || !reflect.DeepEqual(d.Spec, s) || time.Since(d.QueuedAt) > time.Hour {
		t.Errorf("%+v", d)
	}
	nothing(t, l)
}

// TestPullWaits pulls from a lane that is empty at first.
func TestPullWaits(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	l := images(t, q)
	got := make(chan *queue.Delivery, 1)
	go func() {
		d, err := l.Pull(hang)
		if err != nil {
			t.Errorf("pull: %v", err)
		}
		got <- d
	}()
	push(t, q, image("j1"))
	if d := <-got; d == nil || d.ID != "j1" {
		t.Errorf("%+v", d)
	}
}

func TestLanesAreIndependent(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	for _, kind := range job.Kinds() {
		for _, name := range job.Lanes() {
			push(t, q, spec(kind, name, "u1", fmt.Sprintf("%s-%s", kind, name)))
		}
	}
	for _, kind := range job.Kinds() {
		for _, name := range job.Lanes() {
			l := lane(t, q, kind, name)
			if d := pull(t, l); d.ID != fmt.Sprintf("%s-%s", kind, name) {
				t.Errorf("%s/%s returns %s", kind, name, d.ID)
			}
			nothing(t, l)
		}
	}
	if _, err := q.Lane(t.Context(), "video", job.LaneGuest); err == nil {
		t.Error("opened a lane of an unknown kind")
	}
}

// TestOnePullerServesManyLanes pulls as a worker's slot does: from one lane and then from another.
func TestOnePullerServesManyLanes(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	members, guests := images(t, q), lane(t, q, job.KindImage, job.LaneGuest)
	guests.puller = members.puller
	push(t, q, image("j1"))
	push(t, q, spec(job.KindImage, job.LaneGuest, "guest", "j2"))
	if d := pull(t, guests); d.ID != "j2" || d.Lane != job.LaneGuest {
		t.Errorf("%+v", d)
	}
	nothing(t, guests)
	if d := pull(t, members); d.ID != "j1" || d.Lane != job.LaneMember {
		t.Errorf("%+v", d)
	}
	nothing(t, members)
}

func TestAckRemoves(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	push(t, q, image("j1"))
	l := images(t, q)
	d := pull(t, l)
	if _, err := q.FindLeader(t.Context(), "u1", "j1"); err != nil {
		t.Errorf("a delivered job is not found: %v", err)
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := q.FindLeader(t.Context(), "u1", "j1"); !errors.Is(err, queue.ErrNotFound) {
		t.Errorf("after the ack: %v", err)
	}
	if n := depth(t, b); n != 0 {
		t.Errorf("%d messages", n)
	}
	// Acknowledging a job again, or one that was deleted, is no error: a settlement may be repeated.
	if err := d.Ack(t.Context()); err != nil {
		t.Errorf("a second ack: %v", err)
	}
	push(t, q, image("j2"))
	d = pull(t, l)
	if err := q.Delete(t.Context(), d.Sequence); err != nil {
		t.Fatal(err)
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Errorf("ack of a deleted job: %v", err)
	}
	nothing(t, l)
}

func TestNakWithDelay(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	push(t, q, image("j1"))
	l := images(t, q)
	const delay = 700 * time.Millisecond
	began := time.Now()
	if err := pull(t, l).NakWithDelay(delay); err != nil {
		t.Fatal(err)
	}
	// Other jobs are not delayed.
	push(t, q, image("j2"))
	if d := pull(t, l); d.ID != "j2" {
		t.Errorf("pulled %s", d.ID)
	}
	d := pull(t, l)
	if waited := time.Since(began); waited < delay {
		t.Errorf("redelivered after %s", waited)
	}
	if d.ID != "j1" || d.Count != 2 {
		t.Errorf("%s, delivery %d", d.ID, d.Count)
	}
	// A delay of 0 or less means at once.
	for _, delay := range []time.Duration{0, -time.Hour} {
		if err := d.NakWithDelay(delay); err != nil {
			t.Fatal(err)
		}
		d = pull(t, l)
	}
	if d.Count != 4 {
		t.Errorf("delivery %d", d.Count)
	}
}

func TestNakRedeliversAtOnce(t *testing.T) {
	t.Parallel()
	// With this AckWait, a job without a Nak would not be redelivered in time.
	q, _ := start(t, brokertest.AckWait(10*time.Minute))
	push(t, q, image("j1"))
	l := images(t, q)
	if err := pull(t, l).Nak(); err != nil {
		t.Fatal(err)
	}
	if d := pull(t, l); d.ID != "j1" || d.Count != 2 {
		t.Errorf("%s, delivery %d", d.ID, d.Count)
	}
}

func TestLeaseExpires(t *testing.T) {
	t.Parallel()
	q, _ := start(t, brokertest.AckWait(300*time.Millisecond))
	push(t, q, image("j1"))
	l := images(t, q)
	for count := uint64(1); count <= 3; count++ {
		if d := pull(t, l); d.ID != "j1" || d.Count != count {
			t.Errorf("%s, delivery %d, want %d", d.ID, d.Count, count)
		}
	}
}

func TestInProgressExtendsLease(t *testing.T) {
	t.Parallel()
	const wait = time.Second
	q, _ := start(t, brokertest.AckWait(wait))
	push(t, q, image("j1"))
	l := images(t, q)
	d := pull(t, l)
	ticker := time.NewTicker(wait / 10)
	defer ticker.Stop()
	for range 25 {
		<-ticker.C
		if err := d.InProgress(t.Context()); err != nil {
			t.Fatalf("in progress: %v", err)
		}
	}
	nothing(t, l)
	if _, err := q.FindLeader(t.Context(), "u1", "j1"); err != nil {
		t.Errorf("a job in progress has left the queue: %v", err)
	}
	if err := d.Ack(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestInProgressWithoutNATS(t *testing.T) {
	t.Parallel()
	opts := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: t.TempDir()}
	srv, err := server.NewServer(opts)
	if err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(func() { srv.Shutdown(); srv.WaitForShutdown() })
	if !srv.ReadyForConnections(hang) {
		t.Fatal("the server did not start")
	}
	b := brokertest.Start(t, func(c *broker.Config) { c.URL = env.Secret(srv.ClientURL()) })
	q := on(t, b)
	push(t, q, image("j1"))
	l := images(t, q)
	d := pull(t, l)
	if err := d.InProgress(t.Context()); err != nil {
		t.Fatalf("with NATS: %v", err)
	}
	srv.Shutdown()
	srv.WaitForShutdown()
	for name, f := range map[string]func(context.Context) error{
		"beat": d.InProgress, "ack": d.Ack,
		"pull": func(context.Context) error { _, err := l.Pull(hang); return err },
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		if err := f(ctx); err == nil {
			t.Errorf("%s succeeds without NATS", name)
		}
		cancel()
	}
}

func TestUnreadableJob(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	l := images(t, q)
	for name, c := range map[string]struct {
		body  string
		newer bool
	}{
		"garbage": {"not JSON", false},
		"empty":   {"", false},
		"newer":   {`{"v":3,"other":"shape"}`, true},
	} {
		subject := broker.JobSubject(job.KindImage, job.LaneMember, "u1", name)
		if _, err := b.JetStream().Publish(t.Context(), subject, []byte(c.body)); err != nil {
			t.Fatal(err)
		}
		d := pull(t, l)
		if d.Spec != nil || d.Fault == nil || errors.Is(d.Fault, job.ErrNewer) != c.newer {
			t.Errorf("%s: %v, %v", name, d.Spec, d.Fault)
		}
		if d.Kind != job.KindImage || d.Lane != job.LaneMember || d.Owner != "u1" || d.ID != name {
			t.Errorf("%s: %+v", name, d)
		}
		if _, err := q.Find(t.Context(), "u1", name); err == nil || errors.Is(err, queue.ErrNotFound) ||
			errors.Is(err, job.ErrNewer) != c.newer {
			t.Errorf("find %s: %v", name, err)
		}
		if err := d.Ack(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
