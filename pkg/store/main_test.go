package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// hang is the timeout of operations that normally take moments.
const hang = 2 * time.Minute

func start(t testing.TB, options ...func(*broker.Config)) (*store.Store, *broker.Broker) {
	t.Helper()
	b := brokertest.Start(t, options...)
	s, err := store.New(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	return s, b
}

func spec(id string) *job.Spec {
	now := time.Now()
	return &job.Spec{
		V: job.Version, ID: id, Kind: job.KindImage, Lane: job.LaneMember, Owner: "u1", Input: &job.ImageInput{Prompt: "a fox"},
		CreatedAt: job.At(now), Deadline: job.At(now.Add(time.Hour)), MaxAttempts: 8, Fingerprint: "f",
	}
}

func succeeded(id string) *job.Record {
	return &job.Record{Status: job.StatusSucceeded, Spec: spec(id), Attempt: 1, FinishedAt: job.At(time.Now())}
}

func failed(id string) *job.Record {
	return &job.Record{
		Status: job.StatusFailed, Spec: spec(id), Attempt: 8, FinishedAt: job.At(time.Now()),
		Error: job.NewError(job.CodeUnavailable, 502), Counts: job.Counts{Failures: 8, Throttles: 1},
	}
}

func create(t testing.TB, s *store.Store, r *job.Record) {
	t.Helper()
	if _, _, err := s.PutRecord(t.Context(), r); err != nil {
		t.Fatalf("create record of %s: %v", r.Spec.ID, err)
	}
}

func missing(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%s: %v, want ErrNotFound", what, err)
	}
}

// events subscribes to the events of all jobs.
func events(t *testing.T, b *broker.Broker) *nats.Subscription {
	t.Helper()
	sub := brokertest.Subscribe(t, b.Conn(), "events.>")
	return sub
}

func next(t *testing.T, sub *nats.Subscription) *nats.Msg {
	t.Helper()
	msg, err := sub.NextMsg(hang)
	if err != nil {
		t.Fatalf("no event: %v", err)
	}
	return msg
}

func ids(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("j%04d", i)
	}
	return list
}
