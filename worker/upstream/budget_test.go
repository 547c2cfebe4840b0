package upstream_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/text2image-audio/text2image-audio/worker/upstream"
)

// One reservation may exceed the budget; the others wait for free bytes or for its release.
func TestBudget(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		budget := upstream.NewBudget(100)
		first, second, third := budget.NewReservation(), budget.NewReservation(), budget.NewReservation()
		ctx := t.Context()
		for _, n := range []int64{60, -5, 0, 40} {
			if err := first.Grow(ctx, n); err != nil {
				t.Fatal(err)
			}
		}
		// Nothing is left: the second exceeds the budget, without a limit.
		for _, n := range []int64{1, 1000} {
			if err := second.Grow(ctx, n); err != nil {
				t.Fatal(err)
			}
		}
		granted := make(chan error, 1)
		go func() { granted <- third.Grow(ctx, 30) }()
		synctest.Wait()
		select {
		case err := <-granted:
			t.Fatalf("the third reservation did not wait: %v", err)
		default:
		}
		canceled, cancel := context.WithCancelCause(ctx)
		cancel(io.ErrClosedPipe)
		if err := budget.NewReservation().Grow(canceled, 30); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("canceled: %v", err)
		}
		first.Release()
		if err := <-granted; err != nil {
			t.Error(err)
		}
		// Released bytes are available again, only once.
		first.Release()
		if err := first.Grow(ctx, 70); err != nil {
			t.Fatal(err)
		}
		go func() { granted <- budget.NewReservation().Grow(ctx, 1) }()
		synctest.Wait()
		select {
		case err := <-granted:
			t.Fatalf("more was released than reserved: %v", err)
		default:
		}
		// The overdraft is released as well.
		second.Release()
		if err := <-granted; err != nil {
			t.Error(err)
		}
	})
}

func TestNoBudget(t *testing.T) {
	t.Parallel()
	var none *upstream.Budget
	hold := none.NewReservation()
	if err := hold.Grow(t.Context(), 1<<40); err != nil {
		t.Error(err)
	}
	hold.Release()
}

// A response that waits for the budget does not time out as idle, and it releases its bytes.
func TestWaitingForTheBudgetIsNotIdle(t *testing.T) {
	t.Parallel()
	const idle, wait = 10 * time.Second, 5 * time.Minute
	pieces := make([]string, 8)
	for n := range pieces {
		pieces[n] = strings.Repeat("x", 256<<10)
	}
	length := int64(len(pieces) * len(pieces[0]))
	for name, response := range map[string]dripping{
		"known length":   {status: 200, pause: time.Second, pieces: pieces, length: length},
		"unknown length": {status: 200, pause: time.Second, pieces: pieces, ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				budget := upstream.NewBudget(1)
				other := budget.NewReservation()
				if err := other.Grow(t.Context(), 2); err != nil {
					t.Fatal(err)
				}
				time.AfterFunc(wait, other.Release)
				c := upstream.Caller{HTTP: &http.Client{Transport: response}, Idle: idle, Budget: budget}
				request := newRequest("http://example.org")
				request.MaxBytes = length
				var body []byte
				begun := time.Now()
				if err := c.Do(t.Context(), request, readAll(&body)); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begun); took < wait {
					t.Errorf("it took %v, without waiting for the budget", took)
				}
				if string(body) != strings.Join(pieces, "") {
					t.Errorf("%d bytes", len(body))
				}
				if err := budget.NewReservation().Grow(t.Context(), 2); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Bodies of unknown length are read completely, also around multiples of the chunk size.
func TestReadAllOfUnknownLength(t *testing.T) {
	t.Parallel()
	const chunk = 256 << 10
	for _, length := range []int{0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2*chunk + 1, 3*chunk + 5} {
		whole := strings.Repeat("abcdefg", length/7+1)[:length]
		synctest.Test(t, func(t *testing.T) {
			var pieces []string
			for rest := whole; rest != ""; {
				n := min(len(rest), 100_000)
				pieces, rest = append(pieces, rest[:n]), rest[n:]
			}
			for _, budget := range []*upstream.Budget{nil, upstream.NewBudget(10 * chunk)} {
				response := dripping{status: 200, pause: time.Millisecond, pieces: pieces, ends: true}
				c := upstream.Caller{HTTP: &http.Client{Transport: response}, Budget: budget}
				request := newRequest("http://example.org")
				request.MaxBytes = int64(length)
				var body []byte
				if err := c.Do(t.Context(), request, readAll(&body)); err != nil || string(body) != whole {
					t.Errorf("%d bytes: got %d, %v", length, len(body), err)
				}
			}
		})
	}
}
