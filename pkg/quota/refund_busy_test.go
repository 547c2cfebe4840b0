package quota_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// TestRefundWhileNATSIsBusy refunds a job while as many atomic batches of the stream are in progress as NATS accepts, as when many
// jobs end at once.
func TestRefundWhileNATSIsBusy(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t)
	q := quota.New(b, plans(limits(0, 9), limits(0, 0)), clocktest.New(noon()).Now)
	reservation, err := q.Charge(t.Context(), guest("who"), "j", 4)
	if err != nil {
		t.Fatal(err)
	}
	record := failed("j", job.CodeUnavailable, reservation.Charge)
	tries := make(chan *nats.Msg, 100)
	sub, err := b.Conn().ChanSubscribe(broker.RefundSubject(record.Spec.ID, record.Spec.CreatedAt.Time), tries)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	open := fillBatches(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	refunded := make(chan error, 1)
	go func() { refunded <- quota.Refund(ctx, b, record) }()
	for range 2 {
		select {
		case <-tries:
		case err := <-refunded:
			t.Fatalf("the refund ended while NATS was busy: %v", err)
		}
	}
	if _, err := open.CommitMsg(ctx, quota.Change(heldSubject(-1), 1, "held-last")); err != nil {
		t.Fatal(err)
	}
	if err := <-refunded; err != nil {
		t.Errorf("afterwards: %v", err)
	}
	expectUsed(t, q, "who", 0)
}

func heldSubject(n int) string { return broker.RefundSubject("held-"+strconv.Itoa(n), noon()) }

// fillBatches begins atomic batches until NATS accepts no more, and returns one of them.
func fillBatches(t *testing.T, b *broker.Broker) (last jetstreamext.BatchPublisher) {
	t.Helper()
	for n := 0; ; n++ {
		open, err := jetstreamext.NewBatchPublisher(b.JetStream(), jetstreamext.BatchFlowControl{AckFirst: true, AckTimeout: time.Minute})
		if err == nil {
			err = open.AddMsg(quota.Change(heldSubject(n), 1, "held-"+strconv.Itoa(n)))
		}
		if api, refused := errors.AsType[*jetstream.APIError](err); refused && last != nil && api.Code == 429 {
			return last
		}
		if err != nil {
			t.Fatal(err)
		}
		last = open
	}
}
