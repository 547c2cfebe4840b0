package control_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/control"
)

func TestLease(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	var wg sync.WaitGroup
	var won atomic.Int32
	var revision atomic.Uint64
	for range 20 {
		wg.Go(func() {
			r, again, err := s.AcquireLease(t.Context(), "one", time.Hour, time.Hour)
			switch {
			case err == nil:
				won.Add(1)
				revision.Store(r)
			case !errors.Is(err, control.ErrLeased) || again <= 0:
				t.Errorf("got %v, again after %v", err, again)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d have the lease", won.Load())
	}
	if _, again, err := s.AcquireLease(t.Context(), "one", time.Hour, time.Hour); !errors.Is(err, control.ErrLeased) || again < 50*time.Minute {
		t.Errorf("while it holds: %v, again after %v", err, again)
	}
	if _, _, err := s.AcquireLease(t.Context(), "other", time.Hour, time.Hour); err != nil {
		t.Errorf("another lease: %v", err)
	}
	if err := s.ShortenLease(t.Context(), "one", revision.Load()+1000, time.Now()); err != nil {
		t.Errorf("shortened without holding it: %v", err)
	}
	if _, _, err := s.AcquireLease(t.Context(), "one", time.Hour, time.Hour); !errors.Is(err, control.ErrLeased) {
		t.Errorf("after that: %v", err)
	}
	if err := s.ShortenLease(t.Context(), "one", revision.Load(), time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.AcquireLease(t.Context(), "one", time.Hour, time.Hour); err != nil {
		t.Errorf("after its end: %v", err)
	}
	renewed, _, err := s.AcquireLease(t.Context(), "kept", time.Second, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	first := renewed
	for range 3 {
		if renewed, err = s.RenewLease(t.Context(), "kept", renewed, time.Hour, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if _, again, err := s.AcquireLease(t.Context(), "kept", time.Hour, time.Hour); !errors.Is(err, control.ErrLeased) || again > time.Minute {
		t.Errorf("renewed for an hour: %v, again after %v", err, again)
	}
	if _, err := s.RenewLease(t.Context(), "kept", first, time.Hour, time.Hour); !errors.Is(err, control.ErrLeased) {
		t.Errorf("renewed by who has it no more: %v", err)
	}
	// The holder may finish long before the end of the lease, so others try again earlier.
	if _, _, err := s.AcquireLease(t.Context(), "long", time.Hour, time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, again, err := s.AcquireLease(t.Context(), "long", time.Hour, time.Minute); !errors.Is(err, control.ErrLeased) || again > time.Minute {
		t.Errorf("a long lease: %v, again after %v", err, again)
	}
}
