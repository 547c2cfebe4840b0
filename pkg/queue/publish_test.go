package queue_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

// resend is after how long these tests have a publish sent again.
const resend = 50 * time.Millisecond

// slow returns a queue behind a wire, and the broker at its other end.
func slow(t *testing.T) (*queue.Queue, *brokertest.Wire, *broker.Broker) {
	t.Helper()
	near := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	wire := brokertest.NewWire(t, near.ClientURL())
	far := brokertest.Start(t, func(c *broker.Config) { c.URL, c.Follower = env.Secret(wire.URL), true })
	q := on(t, far)
	q.Hurry(resend, hang)
	return q, wire, near
}

// holder holds back what fits and counts it by subject.
type holder struct {
	fits func(brokertest.Message, int) bool

	mu   sync.Mutex
	seen map[string]int
	held chan struct{}
	news chan struct{}
}

// hold holds back the messages for which fits is true; it is told how many of the same subject came before.
func hold(w *brokertest.Wire, fits func(m brokertest.Message, before int) bool) *holder {
	h := &holder{fits: fits, seen: make(map[string]int), held: make(chan struct{}), news: make(chan struct{}, 1)}
	w.Hold(func(m brokertest.Message) <-chan struct{} {
		h.mu.Lock()
		defer h.mu.Unlock()
		if !h.fits(m, h.seen[m.Subject]) {
			return nil
		}
		h.seen[m.Subject]++
		select {
		case h.news <- struct{}{}:
		default:
		}
		return h.held
	})
	return h
}

// await waits until each of so many subjects was seen so often.
func (h *holder) await(t *testing.T, subjects, times int) {
	t.Helper()
	guard := time.NewTimer(hang)
	defer guard.Stop()
	for {
		h.mu.Lock()
		enough := 0
		for _, n := range h.seen {
			if n >= times {
				enough++
			}
		}
		h.mu.Unlock()
		if enough >= subjects {
			return
		}
		select {
		case <-h.news:
		case <-guard.C:
			t.Fatalf("%d subjects were seen %d times, want %d", enough, times, subjects)
		}
	}
}

func (h *holder) release() { close(h.held) }

// await looks until it sees.
func await(t *testing.T, what string, see func() bool) {
	t.Helper()
	guard := time.NewTimer(hang)
	defer guard.Stop()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for !see() {
		select {
		case <-look.C:
		case <-guard.C:
			t.Fatalf("never: %s", what)
		}
	}
}

func isJob(m brokertest.Message, _ int) bool {
	return m.FromClient && strings.HasPrefix(m.Subject, "jobs.")
}

// isConfirmation fits the answers to publishes of jobs.
func isConfirmation(m brokertest.Message, _ int) bool {
	return !m.FromClient && bytes.Contains(m.Data, []byte(`"stream":"JOBS"`))
}

// TestPushWaitsForASlowStore has NATS take, or confirm, a hundred jobs long after they were sent again: each is accepted and
// is there once.
func TestPushWaitsForASlowStore(t *testing.T) {
	t.Parallel()
	const jobs = 100
	for name, fits := range map[string]func(brokertest.Message, int) bool{"late to arrive": isJob, "late to be confirmed": isConfirmation} {
		for _, keyed := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, keyed %t", name, keyed), func(t *testing.T) {
				t.Parallel()
				q, wire, near := slow(t)
				h := hold(wire, fits)
				var wg sync.WaitGroup
				for n := range jobs {
					wg.Go(func() {
						receipt, err := q.Push(t.Context(), image(fmt.Sprintf("j%d", n)), keyed)
						if err != nil || !receipt.Repeated || (receipt.Sequence == 0) == !receipt.AlreadyThere {
							t.Errorf("%+v, %v", receipt, err)
						}
					})
				}
				if name == "late to arrive" {
					h.await(t, jobs, 3)
				} else {
					// Every answer goes to a subject of its own.
					h.await(t, 3*jobs, 1)
				}
				h.release()
				wg.Wait()
				if n := depth(t, near); n != jobs {
					t.Errorf("%d messages for %d jobs", n, jobs)
				}
				if err := q.Refusal(); err != nil {
					t.Errorf("the store counts as refusing: %v", err)
				}
			})
		}
	}
}

// TestPushThatArrivesTwice has the first send arrive when the second was stored long ago.
func TestPushThatArrivesTwice(t *testing.T) {
	t.Parallel()
	for _, keyed := range []bool{false, true} {
		q, wire, near := slow(t)
		var confirmed atomic.Int32
		h := hold(wire, func(m brokertest.Message, before int) bool {
			if isConfirmation(m, before) {
				confirmed.Add(1)
			}
			return isJob(m, before) && before == 0
		})
		receipt, err := q.Push(t.Context(), image("j1"), keyed)
		if err != nil || !receipt.Repeated || receipt.AlreadyThere {
			t.Errorf("%+v, %v", receipt, err)
		}
		h.release()
		await(t, "the first send is answered", func() bool { return confirmed.Load() == 2 })
		if n := depth(t, near); n != 1 {
			t.Errorf("keyed %t: %d messages", keyed, n)
		}
	}
}

// TestPushOfACallerThatGoesAway ends its wait. The job is stored once or not at all, and NATS is not blamed.
func TestPushOfACallerThatGoesAway(t *testing.T) {
	t.Parallel()
	q, wire, near := slow(t)
	var confirmed atomic.Int32
	h := hold(wire, func(m brokertest.Message, before int) bool {
		if isConfirmation(m, before) {
			confirmed.Add(1)
		}
		return isJob(m, before)
	})
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := q.Push(ctx, image("j1"), false)
		done <- err
	}()
	h.await(t, 1, 2)
	leave()
	if err := <-done; !errors.Is(err, queue.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := q.Refusal(); err != nil {
		t.Errorf("NATS is blamed: %v", err)
	}
	h.release()
	await(t, "what was sent is answered", func() bool { return confirmed.Load() >= 2 })
	if n := depth(t, near); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestPushIsGivenUp at the caller's deadline, or without a connection before that.
func TestPushIsGivenUp(t *testing.T) {
	t.Parallel()
	q, wire, _ := slow(t)
	h := hold(wire, isJob)
	defer h.release()
	ctx, cancel := context.WithTimeout(t.Context(), 4*resend)
	defer cancel()
	if _, err := q.Push(ctx, image("j1"), false); !errors.Is(err, queue.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if q.Refusal() == nil {
		t.Error("a store that confirms nothing is not noticed")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for subject, n := range h.seen {
		if n > queue.MaxSends {
			t.Errorf("%s was sent %d times", subject, n)
		}
	}
}

// TestPushWithoutAConnection is given up before the caller's deadline.
func TestPushWithoutAConnection(t *testing.T) {
	t.Parallel()
	q, wire, near := slow(t)
	q.Hurry(resend, 2*resend)
	if err := near.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wire.Cut()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	if _, err := q.Push(ctx, image("j1"), false); !errors.Is(err, queue.ErrUnavailable) || ctx.Err() != nil {
		t.Errorf("%v, %v", err, ctx.Err())
	}
}
