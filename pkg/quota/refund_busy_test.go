package quota_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/broker/brokertest"
	"github.com/text2image-audio/text2image-audio/pkg/clocktest"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/quota"
)

// TestRefundWhileNATSIsBusy refunds a job while as many atomic batches of the stream are in progress as NATS accepts: fifty, and here
// one.
func TestRefundWhileNATSIsBusy(t *testing.T) {
	t.Parallel()
	b := brokertest.Start(t, brokertest.MaxBatches(1))
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
	held := func(n string) *nats.Msg { return quota.Change(broker.RefundSubject("held-"+n, noon()), 1, "held-"+n) }
	open, err := jetstreamext.NewBatchPublisher(b.JetStream(), jetstreamext.BatchFlowControl{AckFirst: true, AckTimeout: time.Minute})
	if err == nil {
		err = open.AddMsg(held("1"))
	}
	if err != nil {
		t.Fatal(err)
	}
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
	if _, err := open.CommitMsg(ctx, held("2")); err != nil {
		t.Fatal(err)
	}
	if err := <-refunded; err != nil {
		t.Errorf("afterwards: %v", err)
	}
	expectUsed(t, q, "who", 0)
}
