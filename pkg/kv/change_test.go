package kv_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// increment adds one to a counter.
func increment(e *kv.Entry[counter]) error {
	e.Value.V, e.Value.N = version, e.Value.N+1
	return nil
}

// countTogether has writers increment one counter concurrently and checks that no increment is lost.
func countTogether(t *testing.T, writers, times int, bucket func(writer int) *kv.Bucket[counter]) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hang)
	defer cancel()
	var wg sync.WaitGroup
	for i := range writers {
		b := bucket(i)
		wg.Go(func() {
			for range times {
				if _, err := b.Change(ctx, "n", increment); err != nil {
					t.Errorf("writer %d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
	e, err := bucket(0).Get(ctx, "n")
	must(t, err)
	if e.Value.N != writers*times {
		t.Errorf("counted %d, want %d", e.Value.N, writers*times)
	}
}

func TestConcurrentChanges(t *testing.T) {
	t.Parallel()
	_, nats := start(t)
	countTogether(t, 10, 10, func(int) *kv.Bucket[counter] { return bucketOn(t, nats) })
}

// TestConcurrentChangesOnCluster writes through all nodes, of which two forward to the leader, and creates a key once.
func TestConcurrentChangesOnCluster(t *testing.T) {
	t.Parallel()
	cluster := brokertest.StartCluster(t)
	cluster.Open() // Declares all streams.
	var buckets []*kv.Bucket[counter]
	for node := range 3 {
		buckets = append(buckets, bucketOn(t, cluster.Open(node)))
	}
	countTogether(t, 6, 5, func(writer int) *kv.Bucket[counter] { return buckets[writer%3] })

	results := make(chan error, 6)
	for i := range cap(results) {
		go func() {
			_, err := buckets[i%3].Create(t.Context(), "once", counter{V: 1, N: i})
			results <- err
		}()
	}
	created := 0
	for range cap(results) {
		switch err := <-results; {
		case err == nil:
			created++
		case !errors.Is(err, kv.ErrConflict):
			t.Errorf("create: %v", err)
		}
	}
	if created != 1 {
		t.Errorf("created %d times", created)
	}
}

// TestEditEndsChange checks that an error of the edit function ends a change without a write.
func TestEditEndsChange(t *testing.T) {
	t.Parallel()
	b, nats := start(t)
	ctx := t.Context()
	e, err := b.Change(ctx, "a", increment)
	must(t, err)
	if !e.Exists || e.Value.N != 1 || e.Revision != stored(t, nats, "a").Sequence {
		t.Errorf("changed to %+v", e)
	}
	for name, edited := range map[string]error{
		"unchanged": kv.ErrUnchanged, "another": errors.New("no"), "a conflict of its own": kv.ErrConflict,
	} {
		calls := 0
		got, err := b.Change(ctx, "a", func(*kv.Entry[counter]) error {
			calls++
			return edited
		})
		if edited == kv.ErrUnchanged { //nolint:errorlint // Compared by identity.
			edited = nil
		}
		if !errors.Is(err, edited) || calls != 1 || got.Revision != e.Revision || stored(t, nats, "a").Sequence != e.Revision {
			t.Errorf("%s: %v after %d calls, %+v", name, err, calls, got)
		}
	}
}

// TestConflictsEnd has another writer come before every write of a change.
func TestConflictsEnd(t *testing.T) {
	t.Parallel()
	b, nats := start(t)
	other := bucketOn(t, nats)
	rival := func(e *kv.Entry[counter]) error {
		_, err := other.Put(t.Context(), "a", counter{V: 1, N: e.Value.N + 1})
		return err
	}
	b.SetRetryFor(50 * time.Millisecond)
	_, err := b.Change(t.Context(), "a", rival)
	wantErr(t, "conflicts for too long", err, kv.ErrConflict)

	ctx, cancel := context.WithCancel(t.Context())
	b.SetRetryFor(hang)
	_, err = b.Change(ctx, "a", func(e *kv.Entry[counter]) error {
		if e.Value.N > 10 {
			cancel()
		}
		return rival(e)
	})
	wantErr(t, "conflicts until the context ends", err, context.Canceled)
	e, err := b.Get(t.Context(), "a")
	must(t, err)
	if e.Value.N < 10 {
		t.Errorf("the other writer wrote %d times", e.Value.N)
	}
}

// TestRetry checks that only conflicts are retried.
func TestRetry(t *testing.T) {
	t.Parallel()
	other := errors.New("no")
	for name, test := range map[string]struct {
		errs []error
		want error
	}{
		"at once":           {[]error{nil}, nil},
		"after conflicts":   {[]error{kv.ErrConflict, fmt.Errorf("wrapped: %w", kv.ErrConflict), nil}, nil},
		"fails":             {[]error{other}, other},
		"conflict and then": {[]error{kv.ErrConflict, other}, other},
	} {
		calls := 0
		err := kv.Retry(t.Context(), func() error {
			calls++
			return test.errs[calls-1]
		})
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) || calls != len(test.errs) {
			t.Errorf("%s: %v after %d calls", name, err, calls)
		}
	}
}
