package quota_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

func contextOf(t testing.TB) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

// failed returns the record of a failed job that was charged at noon.
func failed(id, code string, c *job.Charge) *job.Record {
	at := job.At(noon())
	return &job.Record{
		Status: job.StatusFailed, Error: job.NewError(code, 502), FinishedAt: job.At(noon().Add(time.Minute)), Attempt: 8,
		Spec: &job.Spec{
			ID: id, Kind: job.KindImage, Lane: job.LaneGuest, Owner: "guest", Input: &job.ImageInput{Prompt: "p"},
			CreatedAt: at, Deadline: job.At(noon().Add(time.Hour)), Charge: c,
		},
	}
}

func refund(t testing.TB, b *broker.Broker, r *job.Record) {
	t.Helper()
	if err := quota.Refund(t.Context(), b, r); err != nil {
		t.Error(err)
	}
}

// TestRefundOnce refunds a job concurrently, again later, and again after the duplicate window of NATS.
func TestRefundOnce(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, plans(limits(9, 9), limits(0, 0)), clocktest.New(noon()).Now)
	reservation, err := q.Charge(t.Context(), guest("who"), "j", 4)
	if err != nil {
		t.Fatal(err)
	}
	charge(t, q, "who", 3)
	record := failed("j", job.CodeUnavailable, reservation.Charge)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { refund(t, b, record) })
	}
	wg.Wait()
	expectUsed(t, q, "who", 7, 3)
	refund(t, b, record)
	expectUsed(t, q, "who", 7, 3)

	forget(t, b)
	refund(t, b, record)
	expectUsed(t, q, "who", 7, 3)

	// An idempotency key may be reused for a new job, which then has the same ID.
	again := failed("j", job.CodeUnavailable, &job.Charge{Who: "who", Day: reservation.Charge.Day, Units: 2})
	again.Spec.CreatedAt = job.At(noon().Add(time.Second))
	refund(t, b, again)
	expectUsed(t, q, "who", 7, 1)
}

// forget makes NATS forget the message IDs in its duplicate window.
func forget(t *testing.T, b *broker.Broker) {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), broker.StreamUsage)
	if err != nil {
		t.Fatal(err)
	}
	cfg := stream.CachedInfo().Config
	cfg.Duplicates = 100 * time.Millisecond
	timer := time.NewTicker(5 * time.Millisecond)
	defer timer.Stop()
	end := time.Now().Add(30 * time.Second)
	for n := 0; ; n++ {
		// NATS may check the IDs before it applies the new window, and then check again only after the old one.
		if n%100 == 0 {
			cfg.Duplicates += time.Millisecond
			if _, err := b.JetStream().UpdateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
		}
		<-timer.C
		ack, err := b.JetStream().PublishMsg(t.Context(), quota.Change(broker.UsageSubject(broker.UsageDay, "probe", "b"), 1, "probe"))
		if err != nil {
			t.Fatal(err)
		}
		if !ack.Duplicate && ack.Value == "2" {
			return
		}
		if time.Now().After(end) {
			t.Fatal("NATS still detects the duplicate")
		}
	}
}

// TestRefundNothing settles jobs that have nothing to refund.
func TestRefundNothing(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	good := job.Charge{Who: "who", Day: "20260304", Units: 2}
	foreign := good
	foreign.Who = "a.b"
	done := failed("done", job.CodeInternal, &good)
	done.Status, done.Error = job.StatusSucceeded, nil
	for _, r := range []*job.Record{
		failed("uncharged", job.CodeInternal, nil), failed("moderated", job.CodeModerated, &good), failed("foreign", job.CodeInternal, &foreign), done,
	} {
		refund(t, b, r)
	}
	if n := messages(t, b); n != 0 {
		t.Errorf("%d messages were written", n)
	}
	refund(t, b, failed("good", job.CodeInternal, &good))
	if n := messages(t, b); n != 2 {
		t.Errorf("%d messages, want a mark and a counter", n)
	}
}

func messages(t *testing.T, b *broker.Broker) uint64 {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), broker.StreamUsage)
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter("usage.>"))
	if err != nil {
		t.Fatal(err)
	}
	return info.State.Msgs
}

func lastSequence(t *testing.T, b *broker.Broker) uint64 {
	t.Helper()
	stream, err := b.JetStream().Stream(t.Context(), broker.StreamUsage)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State.LastSeq
}

// TestRefundFails refunds without a stream of counters: the error causes the settlement to be retried.
func TestRefundFails(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.ReconcileInterval(time.Hour))
	if err := b.JetStream().DeleteStream(t.Context(), broker.StreamUsage); err != nil {
		t.Fatal(err)
	}
	err := quota.Refund(t.Context(), b, failed("j", job.CodeInternal, &job.Charge{Who: "who", Day: "20260304", Units: 2}))
	if err == nil {
		t.Error("no error")
	}
}
