package control_test

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
	"github.com/text2image-audio/text2image-audio/pkg/control"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

func workers(t *testing.T, s *control.Store) []control.Worker {
	t.Helper()
	list, err := s.Workers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(list, func(a, b control.Worker) int { return strings.Compare(a.ID, b.ID) })
	return list
}

func worker(id string) control.Worker {
	return control.Worker{
		V: 1, ID: id, Version: "1.2.3", StartedAt: job.At(time.Now()), Mode: "simulator",
		Slots: map[job.Kind]int{job.KindImage: 8}, RunSeconds: map[job.Kind]float64{job.KindImage: 1.5},
	}
}

func TestRegisterAndDeregisterWorkers(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	if got := workers(t, s); len(got) != 0 {
		t.Errorf("workers before a registration: %+v", got)
	}
	one, two := worker("w1"), worker("w2")
	for _, w := range []control.Worker{one, two} {
		if err := s.RegisterWorker(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	one.RunSeconds = map[job.Kind]float64{job.KindImage: 2.5}
	if err := s.RegisterWorker(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	if got := workers(t, s); !reflect.DeepEqual(got, []control.Worker{one, two}) {
		t.Errorf("%+v", got)
	}
	// What is no announcement, or one of a newer program, does not hide the others.
	for id, body := range map[string]string{"w3": "garbage", "w4": `{"v":2,"id":"w4"}`} {
		if _, err := b.JetStream().Publish(t.Context(), broker.WorkerSubject(id), []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := s.DeregisterWorker(t.Context(), "w1"); err != nil {
			t.Fatal(err)
		}
	}
	if got := workers(t, s); !reflect.DeepEqual(got, []control.Worker{two}) {
		t.Errorf("%+v", got)
	}
}

// TestWorkersExpire shows that a worker which died is forgotten, and that an announcement carries such an end.
func TestWorkersExpire(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	if err := s.RegisterWorker(t.Context(), worker("w1")); err != nil {
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
	if got := workers(t, s); len(got) != 2 {
		t.Errorf("%d workers before the end", len(got))
	}
	limit := time.After(hang)
	for expired := false; !expired; {
		select {
		case entry := <-watch.Updates():
			expired = entry != nil && entry.Operation() != jetstream.KeyValuePut
		case <-limit:
			t.Fatal("the announcement did not expire")
		}
	}
	if got := workers(t, s); len(got) != 1 || got[0].ID != "w1" {
		t.Errorf("%+v", got)
	}
}

// TestWorkersWithoutAStore checks that a missing response is an error and not an empty list.
func TestWorkersWithoutAStore(t *testing.T) {
	t.Parallel()
	s, b := start(t)
	if err := b.JetStream().DeleteKeyValue(t.Context(), broker.BucketControl); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Workers(t.Context()); err == nil {
		t.Errorf("%+v", got)
	}
	b.Conn().Close()
	if got, err := s.Workers(t.Context()); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("%+v, %v", got, err)
	}
}
