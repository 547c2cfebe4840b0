package quota

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
	"github.com/text2image-audio/text2image-audio/pkg/lifecycle"
)

const (
	// codeDuplicate is the NATS error code for a batch with a duplicate message.
	codeDuplicate = 10201
	// codeTooMany is that for a batch while too many others are in progress, and busyPause the pause before the next attempt.
	codeTooMany = 10210
	busyPause   = 20 * time.Millisecond
)

// Refund refunds the units that a job did not produce for reasons outside its owner's control, and charges those of a deferred charge
// that are due, whatever the limits are. It is idempotent and may be called concurrently: the write also marks the job. It costs nothing
// when there is nothing to change, and a read and an atomic batch otherwise.
func Refund(ctx context.Context, b *broker.Broker, r *job.Record) error {
	units, charge := r.GivesBack(), r.Spec.Charge
	if owed := r.Owes(); owed > 0 {
		units, charge = -owed, r.Spec.DeferredCharge
	}
	if units == 0 || !job.ValidToken(charge.Who) || !job.ValidToken(charge.Day) {
		return nil
	}
	return refundUnits(ctx, b, broker.RefundSubject(r.Spec.ID, r.Spec.CreatedAt.Time), charge, units)
}

// refundUnits subtracts units from the daily counters of a charge and stores mark, in one write, unless mark exists.
func refundUnits(ctx context.Context, b *broker.Broker, mark string, charge *job.Charge, units int) error {
	// NATS detects duplicates of the mark for two minutes only.
	_, err := broker.LeaderLast(ctx, b.JetStream(), broker.StreamUsage, mark)
	switch {
	case err == nil:
		return b.Durable(ctx, broker.StreamUsage)
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Errorf("read refund mark: %w", err)
	}
	batch := []*nats.Msg{
		change(mark, 1, mark),
		change(broker.UsageSubject(broker.UsageDay, charge.Who, charge.Day), -units, mark+".day"),
	}
	if job.ValidToken(charge.Address) {
		batch = append(batch, change(broker.UsageSubject(broker.UsageDay, charge.Address, charge.Day), -units, mark+".address"))
	}
	if job.ValidToken(charge.Key) {
		batch = append(batch, change(broker.UsageSubject(broker.UsageDay, charge.Key, charge.Day), -units, mark+".key"))
	}
	for {
		_, err = jetstreamext.PublishMsgBatch(ctx, b.JetStream(), batch)
		api, refused := errors.AsType[*jetstream.APIError](err)
		switch {
		case err == nil, refused && int(api.ErrorCode) == codeDuplicate:
			return b.Durable(ctx, broker.StreamUsage)
		case refused && int(api.ErrorCode) == codeTooMany && lifecycle.Sleep(ctx, busyPause):
			continue
		}
		return fmt.Errorf("refund: %w", err)
	}
}
