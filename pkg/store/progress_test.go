package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func TestPutProgressComparesRevision(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	put := func(step, revision uint64) (uint64, error) {
		return s.PutProgress(t.Context(), "u1", &job.Progress{ID: "j1", Status: job.StatusRunning, Delivery: 1, Step: step}, revision)
	}
	reads := map[string]func(context.Context, string, string) (*job.Progress, uint64, error){
		"any": s.Progress, "leader": s.ProgressLeader,
	}
	for name, read := range reads {
		_, revision, err := read(t.Context(), "u1", "j1")
		missing(t, name+" before", err)
		if revision != 0 {
			t.Errorf("%s: revision %d without a progress", name, revision)
		}
	}
	if _, err := put(1, 7); !errors.Is(err, store.ErrConflict) {
		t.Errorf("update of a missing progress: %v", err)
	}
	first, err := put(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put(9, 0); !errors.Is(err, store.ErrConflict) {
		t.Errorf("second create: %v", err)
	}
	second, err := put(2, first)
	if err != nil || second <= first {
		t.Fatalf("revision %d after %d, %v", second, first, err)
	}
	if _, err := put(9, first); !errors.Is(err, store.ErrConflict) {
		t.Errorf("update of a changed progress: %v", err)
	}
	for name, read := range reads {
		p, revision, err := read(t.Context(), "u1", "j1")
		if err != nil || p.Step != 2 || revision != second {
			t.Errorf("%s: %+v at %d, %v", name, p, revision, err)
		}
	}
	for range 2 {
		if err := s.DeleteProgress(t.Context(), "u1", "j1"); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err = s.Progress(t.Context(), "u1", "j1")
	missing(t, "dropped", err)
	if _, err := put(3, second); !errors.Is(err, store.ErrConflict) {
		t.Errorf("update of a deleted progress: %v", err)
	}
}

func TestOneProgressWins(t *testing.T) {
	t.Parallel()
	s, _ := start(t)
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			_, err := s.PutProgress(t.Context(), "u1", &job.Progress{ID: "j1", Delivery: uint64(i)}, 0)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, store.ErrConflict) {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d won", won.Load())
	}
}
