package queue_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/queue"
)

func workers(t *testing.T, q *queue.Queue) []queue.Worker {
	t.Helper()
	list, err := q.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b queue.Worker) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func worker(id string) queue.Worker {
	return queue.Worker{
		V: 1, ID: id, Version: "1.2.3", StartedAt: job.At(time.Now()), Mode: "simulator",
		Slots: map[job.Kind]int{job.KindImage: 8}, RunSeconds: map[job.Kind]float64{job.KindImage: 1.5},
	}
}

func TestWorkersAnnounceAndWithdraw(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	if got := workers(t, q); len(got) != 0 {
		t.Errorf("workers of nobody: %+v", got)
	}
	one, two := worker("w1"), worker("w2")
	for _, w := range []queue.Worker{one, two} {
		if err := q.Announce(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	one.RunSeconds = map[job.Kind]float64{job.KindImage: 2.5}
	if err := q.Announce(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if got := workers(t, q); !reflect.DeepEqual(got, []queue.Worker{one, two}) {
		t.Errorf("%+v", got)
	}
	// What is no announcement, or one of a newer program, does not hide the others.
	for id, body := range map[string]string{"w3": "garbage", "w4": `{"v":2,"id":"w4"}`} {
		if _, err := b.JetStream().Publish(t.Context(), broker.WorkerSubject(id), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := q.Withdraw(t.Context(), "w1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := workers(t, q); !reflect.DeepEqual(got, []queue.Worker{two}) {
		t.Errorf("%+v", got)
	}
}

// TestWorkersExpire shows that a worker which died is forgotten, and that an announcement carries such an end.
func TestWorkersExpire(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	if err := q.Announce(t.Context(), worker("w1")); err != nil {
		t.Fatal(err)
	}
	msg, err := broker.LeaderLast(t.Context(), b.JetStream(), broker.ControlStream, broker.WorkerSubject("w1"))
	if err != nil || msg.Header.Get(jetstream.MsgTTLHeader) != "30s" {
		t.Errorf("an announcement lives for %q, %v", msg.Header.Get(jetstream.MsgTTLHeader), err)
	}
	// The mark that the server leaves for an expired key is a signal to wait for.
	marks, err := b.JetStream().KeyValue(t.Context(), broker.BucketControl)
	if err != nil {
		t.Fatal(err)
	}
	watch, err := marks.Watch(t.Context(), "worker.w2")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = watch.Stop() }()
	if _, err := b.JetStream().Publish(t.Context(), broker.WorkerSubject("w2"), []byte(`{"v":1,"id":"w2"}`),
		jetstream.WithMsgTTL(time.Second)); err != nil {
		t.Fatal(err)
	}
	if got := workers(t, q); len(got) != 2 {
		t.Errorf("%d workers before the end", len(got))
	}
	limit := time.After(hang)
	for gone := false; !gone; {
		select {
		case entry := <-watch.Updates():
			gone = entry != nil && entry.Operation() != jetstream.KeyValuePut
		case <-limit:
			t.Fatal("the announcement did not expire")
		}
	}
	if got := workers(t, q); len(got) != 1 || got[0].ID != "w1" {
		t.Errorf("%+v", got)
	}
}

// TestWorkersWithoutAStore shows that no answer is not taken for no workers.
func TestWorkersWithoutAStore(t *testing.T) {
	t.Parallel()
	q, b := start(t)
	if err := b.JetStream().DeleteKeyValue(t.Context(), broker.BucketControl); err != nil {
		t.Fatal(err)
	}
	if got, err := q.Workers(t.Context()); err == nil {
		t.Errorf("%+v", got)
	}
	b.Conn().Close()
	if got, err := q.Workers(t.Context()); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestOnCancel(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	first, second := make(chan string, 10), make(chan string, 10)
	stop, err := q.OnCancel(func(id string) { first <- id })
	if err != nil {
		t.Fatal(err)
	}
	stopSecond, err := q.OnCancel(func(id string) { second <- id })
	if err != nil {
		t.Fatal(err)
	}
	defer stopSecond()
	announce := func(id string) {
		t.Helper()
		if err := q.AnnounceCancel(id); err != nil {
			t.Fatal(err)
		}
	}
	announce("j1")
	for _, heard := range []chan string{first, second} {
		if id := receive(t, heard); id != "j1" {
			t.Errorf("heard of %s", id)
		}
	}
	stop()
	announce("j2")
	if id := receive(t, second); id != "j2" {
		t.Errorf("heard of %s", id)
	}
	if len(first) != 0 {
		t.Errorf("heard of %s after the stop", <-first)
	}
}

func receive(t *testing.T, c <-chan string) string {
	t.Helper()
	select {
	case s := <-c:
		return s
	case <-time.After(hang):
		t.Fatal("nothing was heard")
		return ""
	}
}

func TestOwnerIDs(t *testing.T) {
	t.Parallel()
	q, _ := start(t)
	if got, err := q.OwnerIDs(t.Context(), "u1"); err != nil || len(got) != 0 {
		t.Errorf("of nobody: %v, %v", got, err)
	}
	pushMany(t, q, 2)
	push(t, q, spec(job.KindAudio, job.LaneGuest, "u1", "a1"))
	push(t, q, spec(job.KindAudio, job.LaneGuest, "u2", "a2"))
	take(t, images(t, q))
	got, err := q.OwnerIDs(t.Context(), "u1")
	slices.Sort(got)
	if err != nil || !slices.Equal(got, []string{"a1", "j0", "j1"}) {
		t.Errorf("%v, %v", got, err)
	}
}
