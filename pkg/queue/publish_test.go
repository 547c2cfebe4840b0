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

// resend is the interval after which a publish is sent again in these tests.
const resend = 50 * time.Millisecond

// slow returns a queue that is connected through a wire, and the broker at its other end.
func slow(t *testing.T) (*queue.Queue, *brokertest.Wire, *broker.Broker) {
	t.Helper()
	near := brokertest.Start(t, func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	wire := brokertest.NewWire(t, near.ClientURL())
	far := brokertest.Start(t, func(c *broker.Config) { c.URL, c.Follower = env.Secret(wire.URL), true })
	q := on(t, far)
	q.Hurry(resend, hang)
	return q, wire, near
}

// holder holds back matching messages and counts them by subject.
type holder struct {
	fits func(brokertest.Message, int) bool

	mu   sync.Mutex
	seen map[string]int
	held chan struct{}
	news chan struct{}
}

// hold holds back the messages that match; before is the number of earlier ones with the same subject.
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

// await waits until the given number of subjects was seen the given number of times.
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

// await waits until see reports true.
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

// isAck matches the answers to publishes of jobs.
func isAck(m brokertest.Message, _ int) bool {
	return !m.FromClient && bytes.Contains(m.Data, []byte(`"stream":"JOBS"`))
}

// TestPushWaitsForASlowStore has NATS receive, or acknowledge, a hundred jobs long after they were sent again: each is accepted and
// stored once.
func TestPushWaitsForASlowStore(t *testing.T) {
	t.Parallel()
	const jobs = 100
	for name, fits := range map[string]func(brokertest.Message, int) bool{"late to arrive": isJob, "late to be confirmed": isAck} {
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
					// Every answer has its own subject.
					h.await(t, 3*jobs, 1)
				}
				h.release()
				wg.Wait()
				if n := depth(t, near); n != jobs {
					t.Errorf("%d messages for %d jobs", n, jobs)
				}
				if err := q.Refusal(); err != nil {
					t.Errorf("refusal: %v", err)
				}
			})
		}
	}
}

// TestPushThatArrivesTwice has the first send arrive long after the second was stored.
func TestPushThatArrivesTwice(t *testing.T) {
	t.Parallel()
	for _, keyed := range []bool{false, true} {
		q, wire, near := slow(t)
		var sent, confirmed atomic.Int32
		h := hold(wire, func(m brokertest.Message, before int) bool {
			if isAck(m, before) {
				confirmed.Add(1)
			}
			if isJob(m, before) {
				sent.Add(1)
			}
			return isJob(m, before) && before == 0
		})
		receipt, err := q.Push(t.Context(), image("j1"), keyed)
		if err != nil || !receipt.Repeated || receipt.AlreadyThere {
			t.Errorf("%+v, %v", receipt, err)
		}
		h.release()
		// A busy machine may have sent more than twice.
		await(t, "every send is answered", func() bool { return confirmed.Load() == sent.Load() })
		if n := depth(t, near); n != 1 {
			t.Errorf("keyed %t: %d messages", keyed, n)
		}
	}
}

// TestPushOfADisconnectedCaller cancels a push. The job is stored at most once, and there is no refusal.
func TestPushOfADisconnectedCaller(t *testing.T) {
	t.Parallel()
	q, wire, near := slow(t)
	var confirmed atomic.Int32
	h := hold(wire, func(m brokertest.Message, before int) bool {
		if isAck(m, before) {
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
		t.Errorf("refusal: %v", err)
	}
	h.release()
	await(t, "what was sent is answered", func() bool { return confirmed.Load() >= 2 })
	if n := depth(t, near); n != 1 {
		t.Errorf("%d messages", n)
	}
}

// TestPushTimeout ends a push at the deadline of its caller.
func TestPushTimeout(t *testing.T) {
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
		t.Error("no refusal without an acknowledgement")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for subject, n := range h.seen {
		if n > queue.MaxSends {
			t.Errorf("%s was sent %d times", subject, n)
		}
	}
}

// TestPushWithoutAConnection fails before the deadline of the caller.
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
