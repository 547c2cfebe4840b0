package queue_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// longWait is how long the pulls of these tests stay open.
const longWait = 10 * time.Minute

// drain ends the open pulls of a slot and returns the jobs that have arrived.
func drain(t *testing.T, l slot) (arrived []*queue.Delivery) {
	t.Helper()
	drained := l.puller.Drain()
	if drained == nil {
		t.Fatal("the pulls stay open")
	}
	guard := time.NewTimer(hang)
	defer guard.Stop()
	select {
	case <-drained:
	case <-guard.C:
		t.Fatal("the pulls stay open")
	}
	for len(l.puller.Arrived()) > 0 {
		if pull, err := l.puller.Lost(); pull != nil {
			t.Errorf("a pull was given up before its jobs were received: %v", err)
		}
		arrived = append(arrived, received(t, l))
	}
	for l.puller.Open() > 0 {
		if pull, err := l.puller.Lost(); pull == nil || err != nil {
			t.Fatalf("pull %v is still open: %v", pull, err)
		}
	}
	return arrived
}

// received returns the next job of a slot.
func received(t *testing.T, l slot) *queue.Delivery {
	t.Helper()
	_, d, err := l.puller.Receive(<-l.puller.Arrived())
	if err != nil || d == nil {
		t.Fatalf("received %v, %v", d, err)
	}
	d.Decode()
	return d
}

func TestDrainEndsPulls(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	l := images(t, q)
	if _, err := l.puller.Request(l.lane, 3, longWait); err != nil {
		t.Fatal(err)
	}
	if arrived := drain(t, l); len(arrived) > 0 {
		t.Errorf("there were jobs: %v", arrived)
	}
	// The server must not have the pull any more, or it would send a job for it.
	push(t, q, image("j1"))
	if d := pull(t, images(t, q)); d.ID != "j1" || d.Count != 1 {
		t.Errorf("%s, delivery %d", d.ID, d.Count)
	}
}

// A job that the server sends while the pull is ended is not idle: either it arrives, or it stays in the queue.
func TestDrainLosesNoJob(t *testing.T) {
	t.Parallel()
	// With this AckWait, a job that was sent to nobody would not be redelivered in time.
	q, _ := start(t, brokertest.AckWait(longWait))
	const rounds, jobs = 40, 20
	undelivered := 0
	for round := range rounds {
		l := images(t, q)
		if _, err := l.puller.Request(l.lane, jobs, longWait); err != nil {
			t.Fatal(err)
		}
		var pushing sync.WaitGroup
		pushing.Go(func() {
			for n := range jobs {
				if _, err := q.Push(t.Context(), image(fmt.Sprintf("j%d-%d", round, n)), false); err != nil {
					t.Errorf("push: %v", err)
				}
			}
		})
		var arrived []*queue.Delivery
		for range round % jobs {
			arrived = append(arrived, received(t, l))
		}
		arrived = append(arrived, drain(t, l)...)
		pushing.Wait()
		returned := make(map[string]bool)
		for _, d := range arrived {
			if returned[d.ID] || d.Count != 1 {
				t.Errorf("round %d: %s has arrived again, delivery %d", round, d.ID, d.Count)
			}
			returned[d.ID] = true
			if err := d.Nak(); err != nil {
				t.Fatal(err)
			}
		}
		next := images(t, q)
		for range jobs {
			d := pull(t, next)
			if d.Count > 2 || (returned[d.ID] && d.Count == 1) {
				t.Errorf("round %d: %s, delivery %d", round, d.ID, d.Count)
			}
			undelivered += min(1, int(d.Count)-1)
			if returned[d.ID] {
				undelivered--
			}
			if err := d.Ack(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d jobs were sent to nobody", undelivered)
}
