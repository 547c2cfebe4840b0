package quota

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/synadia-io/orbit.go/jetstreamext"

	"github.com/text2image-audio/text2image-audio/pkg/broker"
	"github.com/text2image-audio/text2image-audio/pkg/job"
)

// codeDuplicate is the answer to a batch with a message that is there already.
const codeDuplicate = 10201

// Refund gives back what a job has taken and not made, through no fault of its owner. It may be called by several and
// again and again: the job is marked in the same write, and is given back once. It costs nothing when there is nothing to
// give back, and a read and an atomic batch otherwise.
func Refund(ctx context.Context, js jetstream.JetStream, r *job.Record) error {
	units, charge := r.GivesBack(), r.Spec.Charge
	if units == 0 || !job.ValidToken(charge.Who) || !job.ValidToken(charge.Day) {
		return nil
	}
	return giveBack(ctx, js, broker.RefundSubject(r.Spec.ID, r.Spec.CreatedAt.Time), charge, units)
}

// giveBack takes units off each counter of a charge's day, unless the mark says that this was done. All of it is one write.
func giveBack(ctx context.Context, js jetstream.JetStream, mark string, charge *job.Charge, units int) error {
	// NATS knows the id of the mark again for two minutes only.
	_, err := broker.LeaderLast(ctx, js, broker.StreamUsage, mark)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, jetstream.ErrMsgNotFound):
		return fmt.Errorf("look for a refund: %w", err)
	}
	batch := []*nats.Msg{
		change(mark, 1, mark),
		change(broker.UsageSubject(broker.UsageDay, charge.Who, charge.Day), -units, mark+".day"),
	}
	if job.ValidToken(charge.Address) {
		batch = append(batch, change(broker.UsageSubject(broker.UsageDay, charge.Address, charge.Day), -units, mark+".address"))
	}
	_, err = jetstreamext.PublishMsgBatch(ctx, js, batch)
	var api *jetstream.APIError
	if err == nil || (errors.As(err, &api) && int(api.ErrorCode) == codeDuplicate) {
		return nil
	}
	return fmt.Errorf("refund: %w", err)
}
