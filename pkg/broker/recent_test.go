package broker_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/env"
)

// recently returns the last message on a subject of the accounts' stream by RecentLast, or "none".
func recently(t *testing.T, b *broker.Broker, subject string) string {
	t.Helper()
	msg, err := broker.RecentLast(t.Context(), b.JetStream(), broker.UsersStream, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return "none"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(msg.Data)
}

// TestRecentLast changes a message in every way in which this process may do so. Each change is seen at once, and what was read before
// costs no other request.
func TestRecentLast(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.RecentAge(time.Hour))
	subject, other := broker.UserSubject("one"), broker.UserSubject("two")
	stream, err := b.JetStream().Stream(t.Context(), broker.UsersStream)
	if err != nil {
		t.Fatal(err)
	}
	buffered, err := b.Buffered().Stream(t.Context(), broker.UsersStream)
	if err != nil {
		t.Fatal(err)
	}
	reads := brokertest.Subscribe(t, b.Conn(), "$JS.API.DIRECT.GET."+broker.UsersStream)
	count := func() int {
		t.Helper()
		if err := b.Conn().Flush(); err != nil {
			t.Fatal(err)
		}
		n, _, err := reads.Pending()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	put := func(js jetstream.JetStream, value string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := js.Publish(ctx, subject, []byte(value))
			return err
		}
	}
	for i, step := range []struct {
		name   string
		change func(context.Context) error
		want   string
	}{
		{"nothing is stored", func(context.Context) error { return nil }, "none"},
		{"publish", put(b.JetStream(), "a"), "a"},
		{"publish without waiting for the disk", put(b.Buffered(), "b"), "b"},
		{"publish of a message", func(ctx context.Context) error {
			_, err := b.JetStream().PublishMsg(ctx, &nats.Msg{Subject: subject, Data: []byte("c")})
			return err
		}, "c"},
		{"purge", func(ctx context.Context) error { return stream.Purge(ctx, jetstream.WithPurgeSubject(subject)) }, "none"},
		{"publish again", put(b.JetStream(), "d"), "d"},
		{"purge without waiting for the disk", func(ctx context.Context) error { return buffered.Purge(ctx) }, "none"},
		{"last publish", put(b.JetStream(), "e"), "e"},
	} {
		if err := step.change(t.Context()); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		for range 3 {
			if got := recently(t, b, subject); got != step.want {
				t.Errorf("%s: got %q, want %q", step.name, got, step.want)
			}
		}
		if n := count(); n != i+1 {
			t.Errorf("%s: %d requests, want %d", step.name, n, i+1)
		}
	}
	before := count()
	if recently(t, b, other); count() != before+1 {
		t.Error("a subject that was not read costs no request")
	}
	if err := put(b.JetStream(), "f")(t.Context()); err != nil {
		t.Fatal(err)
	}
	if recently(t, b, other); count() != before+1 {
		t.Error("a write to another subject costs a request")
	}
}

// TestRecentLastOfOthers changes a message in another process, which is seen as soon as what was read before is old.
func TestRecentLastOfOthers(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.RecentAge(100*time.Millisecond), func(c *broker.Config) { c.Listen = "127.0.0.1:0" })
	far := brokertest.Start(t, func(c *broker.Config) { c.URL, c.Follower = env.Secret(b.ClientURL()), true }, brokertest.RecentAge(time.Hour))
	subject := broker.UserSubject("one")
	for _, value := range []string{"a", "b"} {
		if _, err := far.JetStream().Publish(t.Context(), subject, []byte(value)); err != nil {
			t.Fatal(err)
		}
		if got := recently(t, far, subject); got != value {
			t.Errorf("the other process: got %q, want %q", got, value)
		}
		deadline := time.Now().Add(hang)
		for recently(t, b, subject) != value {
			if time.Now().After(deadline) {
				t.Fatalf("%q is never seen", value)
			}
		}
	}
	if _, err := b.JetStream().Publish(t.Context(), subject, []byte("c")); err != nil {
		t.Fatal(err)
	}
	if got := recently(t, far, subject); got != "c" {
		t.Errorf("a process without NATS in it: got %q, want %q", got, "c")
	}
}

// TestRecentReadsDuringWrites puts what was read before, during and after a write.
func TestRecentReadsDuringWrites(t *testing.T) {
	t.Parallel()
	now, kept := time.Now(), &broker.RecentMessage{}
	for name, tc := range map[string]struct {
		run  func(r *broker.RecentReads)
		want bool
	}{
		"no write": {func(r *broker.RecentReads) {
			put := r.Read("s", now)
			put(kept)
		}, true},
		"write begins after the read": {func(r *broker.RecentReads) {
			put := r.Read("s", now)
			r.Write("s")
			put(kept)
		}, false},
		"write to another subject begins after the read": {func(r *broker.RecentReads) {
			put := r.Read("s", now)
			r.Write("other")
			put(kept)
		}, false},
		"read within the write": {func(r *broker.RecentReads) {
			end := r.Write("s")
			put := r.Read("s", now)
			put(kept)
			end()
		}, false},
		"write ends after the read": {func(r *broker.RecentReads) {
			end := r.Write("s")
			put := r.Read("s", now)
			end()
			put(kept)
		}, false},
		"write to another subject ends after it": {func(r *broker.RecentReads) {
			end := r.Write("other")
			put := r.Read("s", now)
			put(kept)
			end()
		}, true},
		"deletion within it": {func(r *broker.RecentReads) {
			end := r.Write("")
			put := r.Read("s", now)
			put(kept)
			end()
		}, false},
		"old": {func(r *broker.RecentReads) {
			put := r.Read("s", now.Add(-time.Minute))
			put(kept)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := broker.NewRecentReads(time.Minute)
			tc.run(r)
			if got := r.Has("s", now); got != tc.want {
				t.Errorf("kept: %t, want %t", got, tc.want)
			}
		})
	}
}
