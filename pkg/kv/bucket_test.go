package kv_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/kv"
)

// TestRevisions writes a key under all conditions.
func TestRevisions(t *testing.T) {
	t.Parallel()
	b, _ := start(t)
	ctx := t.Context()
	e, err := b.Get(ctx, "a")
	wantErr(t, "get a missing key", err, kv.ErrNotFound)
	if e.Exists || e.Revision != 0 {
		t.Errorf("a missing key is %+v", e)
	}
	first, err := b.Create(ctx, "a", counter{V: 1, N: 1})
	must(t, err)
	_, err = b.Create(ctx, "a", counter{V: 1, N: 2})
	wantErr(t, "create twice", err, kv.ErrConflict)
	_, err = b.Update(ctx, "a", counter{V: 1, N: 2}, 0)
	wantErr(t, "update what was not there", err, kv.ErrConflict)
	second, err := b.Update(ctx, "a", counter{V: 1, N: 2}, first)
	must(t, err)
	_, err = b.Update(ctx, "a", counter{V: 1, N: 3}, first)
	wantErr(t, "update an old revision", err, kv.ErrConflict)
	got, err := b.Get(ctx, "a")
	must(t, err)
	if want := (kv.Entry[counter]{Key: "a", Value: counter{V: 1, N: 2}, Revision: second, Exists: true}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	third, err := b.Put(ctx, "a", counter{V: 1, N: 9})
	must(t, err)
	// A condition on another key.
	_, err = b.Put(ctx, "b", counter{V: 1}, jetstream.WithExpectLastSequenceForSubject(second, prefix+"a"))
	wantErr(t, "put under a condition that fails", err, kv.ErrConflict)
	_, err = b.Put(ctx, "b", counter{V: 1}, jetstream.WithExpectLastSequenceForSubject(third, prefix+"a"))
	must(t, err)
}

// TestRemoval deletes and purges values and writes them again.
func TestRemoval(t *testing.T) {
	t.Parallel()
	b, nats := start(t)
	ctx := t.Context()
	first, err := b.Put(ctx, "a", counter{V: 1, N: 1})
	must(t, err)
	second, err := b.Put(ctx, "a", counter{V: 1, N: 2})
	must(t, err)
	must(t, b.PurgeRevision(ctx, "a", first))
	if _, err := b.Get(ctx, "a"); err != nil {
		t.Errorf("a value that was written later is gone: %v", err)
	}
	wantErr(t, "delete an old revision", b.Delete(ctx, "a", first), kv.ErrConflict)
	must(t, b.Delete(ctx, "a", second))
	e, err := b.Get(ctx, "a")
	wantErr(t, "get a deleted key", err, kv.ErrNotFound)
	marker := stored(t, nats, "a")
	if e.Exists || e.Revision != marker.Sequence || len(marker.Data) > 0 || marker.Header.Get("KV-Operation") != "PURGE" {
		t.Errorf("a deleted key is %+v, its marker %+v", e, marker)
	}
	_, err = b.Update(ctx, "a", counter{V: 1}, 0)
	wantErr(t, "update over a marker as if nothing were there", err, kv.ErrConflict)
	created, err := b.Create(ctx, "a", counter{V: 1, N: 3})
	must(t, err)
	must(t, b.PurgeRevision(ctx, "a", created))
	e, err = b.Get(ctx, "a")
	wantErr(t, "get a purged key", err, kv.ErrNotFound)
	if e.Revision != 0 {
		t.Errorf("a purged key has revision %d", e.Revision)
	}
	must(t, b.Purge(ctx, "a"))
	for _, key := range []string{"x.1", "x.2", "y.1"} {
		_, err = b.Put(ctx, key, counter{V: 1})
		must(t, err)
	}
	must(t, b.Purge(ctx, "x.*"))
	if list, err := b.List(ctx, "*.*"); err != nil || len(list) != 1 || list[0].Key != "y.1" {
		t.Errorf("after a purge: %+v, %v", list, err)
	}
}

// TestList lists the keys of several patterns.
func TestList(t *testing.T) {
	t.Parallel()
	b, nats := start(t)
	ctx := t.Context()
	if list, err := b.List(ctx, "*"); err != nil || len(list) != 0 {
		t.Errorf("an empty bucket lists %+v, %v", list, err)
	}
	for i, key := range []string{"a.1", "b.1", "a.2", "c.1", "gone.1"} {
		_, err := b.Put(ctx, key, counter{V: 1, N: i})
		must(t, err)
	}
	e, err := b.Get(ctx, "gone.1")
	must(t, err)
	must(t, b.Delete(ctx, "gone.1", e.Revision))
	_, err = nats.JetStream().Publish(ctx, prefix+"b.2", []byte(`{"v":2}`))
	must(t, err)
	list, err := b.List(ctx, "a.*", "b.*", "gone.*")
	must(t, err)
	var keys []string
	for _, e := range list {
		keys = append(keys, e.Key)
		if newer := e.Key == "b.2"; newer != errors.Is(e.Err, kv.ErrNewer) || !e.Exists || e.Revision == 0 {
			t.Errorf("%+v", e)
		}
	}
	if got := strings.Join(keys, " "); got != "a.1 b.1 a.2 b.2" {
		t.Errorf("the list is %s", got)
	}
}

// TestUnreadableValues reads values that are of a newer version, incomplete or malformed.
func TestUnreadableValues(t *testing.T) {
	t.Parallel()
	strict, nats := start(t)
	lenient := bucketOn(t, nats, func(c *kv.Config[counter]) { c.Lenient = true })
	ctx := t.Context()
	for data, want := range map[string]error{`{"v":2,"n":7}`: job.ErrNewer, `{"n":7}`: nil, `"secret words"`: nil} {
		_, err := nats.JetStream().Publish(ctx, prefix+"a", []byte(data))
		must(t, err)
		before := stored(t, nats, "a").Sequence
		e, err := strict.Get(ctx, "a")
		if err == nil || (want != nil && !errors.Is(err, want)) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s reads as %v", data, err)
		}
		if e.Revision != before || !e.Exists || e.Value != (counter{}) {
			t.Errorf("%s reads as %+v", data, e)
		}
		_, err = strict.Change(ctx, "a", func(*kv.Entry[counter]) error {
			t.Errorf("edited %s", data)
			return nil
		})
		if err == nil || stored(t, nats, "a").Sequence != before {
			t.Errorf("%s is overwritten: %v", data, err)
		}
		_, err = strict.Create(ctx, "a", counter{V: 1})
		wantErr(t, "create over "+data, err, kv.ErrConflict)
		e, err = lenient.Change(ctx, "a", func(e *kv.Entry[counter]) error {
			if !e.Exists || e.Value != (counter{}) {
				t.Errorf("%s reads as %+v", data, e)
			}
			e.Value.V = 1
			return nil
		})
		if err != nil || e.Value.V != 1 {
			t.Errorf("%s is not overwritten: %+v, %v", data, e, err)
		}
	}
}

// TestTTL checks that every write restarts the time to live.
func TestTTL(t *testing.T) {
	t.Parallel()
	b, nats := start(t, func(c *kv.Config[counter]) {
		c.TTL = func(c *counter) time.Duration { return time.Duration(c.N) * time.Minute }
	})
	ctx := t.Context()
	ttl := func() string { return stored(t, nats, "a").Header.Get(jetstream.MsgTTLHeader) }
	_, err := b.Create(ctx, "a", counter{V: 1, N: 2})
	must(t, err)
	if ttl() != "2m0s" {
		t.Errorf("TTL %q", ttl())
	}
	_, err = b.Change(ctx, "a", func(e *kv.Entry[counter]) error {
		e.Value.N++
		return nil
	})
	must(t, err)
	if ttl() != "3m0s" {
		t.Errorf("TTL after a change: %q", ttl())
	}
	_, err = bucketOn(t, nats).Put(ctx, "a", counter{V: 1}, jetstream.WithMsgTTL(time.Hour))
	must(t, err)
	if ttl() != "1h0m0s" {
		t.Errorf("TTL of an option: %q", ttl())
	}
}

func TestFullStore(t *testing.T) {
	t.Parallel()
	nats := brokertest.Start(t, func(c *broker.Config) { c.MaxStoreMB = 4 })
	b := bucketOn(t, nats)
	big := counter{V: 1, X: strings.Repeat("x", 500<<10)}
	var err error
	for i := 0; err == nil && i < 20; i++ {
		_, err = b.Create(t.Context(), strings.Repeat("k", i+1), big)
	}
	wantErr(t, "create in a full store", err, kv.ErrFull)
	_, err = b.Change(t.Context(), "more", func(e *kv.Entry[counter]) error {
		e.Value = big
		return nil
	})
	wantErr(t, "change in a full store", err, kv.ErrFull)
}
